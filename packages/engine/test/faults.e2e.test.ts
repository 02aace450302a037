import { execFileSync } from "node:child_process";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Random } from "../src/lib/random.ts";
import type { NetworkProxy } from "./network-proxy.ts";
import { temporaryFolder } from "./server-process.ts";
import type { Fleet, Member } from "./storm/fleet.ts";
import { storm } from "./storm/storm.ts";

/**
 * Three replicas as processes, people at work, and one real fault after the other: of processes, of the database's processes,
 * and of the network to the database, between replicas and to clients. In the end every chat is at rest, every screen shows what
 * the database holds, every message was answered once, and no tool that must not run twice did. `npm run faults`: for minutes.
 */

const seconds = Number(process.env["PARLEY_FAULT_SECONDS"] ?? 0);
const seed = process.env["PARLEY_FAULT_SEED"] ?? "faults";
const long = seconds > 0;
const killingTools = fileURLToPath(new URL("killing-tools.ts", import.meta.url));

/** The lease is 20 s: shorter is a hiccup, longer is a takeover and somebody who comes back. */
const hiccupMs = long ? 2_500 : 1_000;
const beyondLeaseMs = 23_000;

type Fault = (fleet: Fleet, random: Random) => Promise<void>;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function one(fleet: Fleet, random: Random): Member {
  return fleet.members[Math.floor(random.float() * fleet.members.length)]!;
}

/** The postmaster and its children, as they are now. */
function databaseProcesses(postmaster: number): number[] {
  const children = execFileSync("ps", ["-o", "pid=", "--ppid", String(postmaster)], {
    encoding: "utf8",
  });
  return [postmaster, ...children.split("\n").map(Number).filter(Boolean)];
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

async function postmasterOf({ database }: Fleet): Promise<number> {
  const text = await readFile(join(database.clusterDir, "postmaster.pid"), "utf8");
  return Number(text.split("\n")[0]);
}

const answers = async (fleet: Fleet): Promise<void> => void (await fleet.sql("select 1"));

/** The process of a random one of the replicas' sessions. */
async function aBackend(fleet: Fleet): Promise<number[]> {
  const rows = await fleet.sql<{ pid: number }>(
    `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
     order by random() limit 1`,
  );
  return rows.map(({ pid }) => pid);
}

const stalled =
  (ms: number): Fault =>
  async (fleet, random) => {
    const member = one(fleet, random);
    member.signal("SIGSTOP");
    await pause(ms);
    member.signal("SIGCONT");
  };

const databaseWire =
  (cause: (proxy: NonNullable<Fleet["proxy"]>) => void, ms: number): Fault =>
  async ({ proxy }) => {
    cause(proxy!);
    await pause(ms);
    proxy!.slowDown(0);
    proxy!.restore();
  };

const memberWire =
  (which: "relay" | "clients", cause: (proxy: NetworkProxy) => void, ms: number): Fault =>
  async (fleet, random) => {
    const proxy = one(fleet, random).wires![which];
    cause(proxy);
    await pause(ms);
    proxy.restore();
  };

/** One replica alone does not reach the database; the others do. */
const partitioned =
  (ms: number): Fault =>
  async (fleet, random) => {
    const { database } = one(fleet, random).wires!;
    database.goSilent();
    await pause(ms);
    database.restore();
  };

const faults: Readonly<Record<string, Fault>> = {
  ...(long && {
    "replica stalled beyond its lease": stalled(beyondLeaseMs),
    "one replica cut off from the database beyond its lease": partitioned(beyondLeaseMs),
  }),
  "backend killed": async (fleet) => {
    // The server then ends all others, and recovers.
    signalAll(await aBackend(fleet), "SIGKILL");
    await answers(fleet);
  },
  "relay cut": memberWire("relay", (proxy) => proxy.cut(true), 1_500),
  "replica stalled": stalled(hiccupMs),
  "database silent": databaseWire((proxy) => proxy.goSilent(), hiccupMs),
  "clients silent": memberWire("clients", (proxy) => proxy.goSilent(), hiccupMs),
  "postmaster killed": async (fleet) => {
    process.kill(await postmasterOf(fleet), "SIGKILL");
    await fleet.database.revive();
    await answers(fleet);
  },
  "one replica cut off from the database": partitioned(hiccupMs),
  "relay half open": memberWire("relay", (proxy) => proxy.goSilent(), hiccupMs),
  "database stalled": async (fleet) => {
    const pids = databaseProcesses(await postmasterOf(fleet));
    signalAll(pids, "SIGSTOP");
    await pause(hiccupMs);
    signalAll(pids, "SIGCONT");
  },
  "replica killed": async (fleet, random) => {
    const member = one(fleet, random);
    await member.count();
    await member.restart("SIGKILL");
  },
  "database cut": databaseWire((proxy) => proxy.goAway(), 1_000),
  "relay slow": memberWire("relay", (proxy) => proxy.slowDown(200), hiccupMs),
  "clients narrow": memberWire("clients", (proxy) => proxy.limit(4_000), hiccupMs),
  "clients cut": memberWire("clients", (proxy) => proxy.cut(), 100),
  "database slow": databaseWire((proxy) => proxy.slowDown(60), hiccupMs),
  "one backend stalled": async (fleet) => {
    const pids = await aBackend(fleet);
    signalAll(pids, "SIGSTOP");
    await pause(hiccupMs);
    signalAll(pids, "SIGCONT");
  },
};

test(
  "processes, database and networks fail one after the other: nothing is lost, doubled or run twice",
  async ({ onTestFinished }) => {
    const folder = await temporaryFolder();
    onTestFinished(async () => await folder.remove());
    await chmod(folder.path, 0o755);
    const toolLog = join(folder.path, "tools.log");
    await writeFile(toolLog, "");
    // In turn, so that each has its day; first those that no other test has.
    const names = Object.keys(faults);
    let at = 0;
    const seen = new Set<string>();
    const found = await storm({
      chats: long ? 60 : 8,
      seed,
      thinkMs: long ? (seconds * 1000) / 8 : 2_000,
      killEveryMs: long ? 4_000 : 300,
      liveMsMax: long ? seconds * 1000 : 30_000,
      fleet: {
        throughProxy: true,
        throughWires: true,
        env: { PARLEY_TOOLS: killingTools, PARLEY_TEST_TOOL_LOG: toolLog },
      },
      trouble: async (fleet, random) => {
        const name = names[at++ % names.length]!;
        await faults[name]!(fleet, random);
        seen.add(name);
        return name;
      },
    });
    expect(found).toEqual([]);
    expect(seen.size).toBeGreaterThan(3);
    const runs = (await readFile(toolLog, "utf8")).split("\n").filter((line) => line !== "");
    process.stdout.write(`faults: at-most-once tools ran ${runs.length} times\n`);
    expect(runs.length).toBeGreaterThan(0);
    expect(new Set(runs).size).toBe(runs.length);
  },
  300_000 + seconds * 3_000,
);
