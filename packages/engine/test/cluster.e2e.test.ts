import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { chmod } from "node:fs/promises";
import { createClient, type Client } from "@parley/client";
import { describe, expect, test, type TestContext } from "vitest";
import { findPostmaster } from "../src/postgres/embedded/postmaster.ts";
import { runCliProcess, startCli, type CliProcess } from "./cli-process.ts";
import { eventually, within } from "./eventually.ts";
import { previewText, settled } from "./follow.ts";
import { expectEqualToDatabase, expectSoundStream, onlooker, readies, textOf } from "./onlooker.ts";
import { endPostgres } from "./rig.ts";
import { temporaryFolder } from "./server-process.ts";

/** `npm run cluster` as people use it: real processes over the database that Parley brings along. */

interface RunningCluster extends CliProcess {
  readonly client: Client;
  readonly url: string;
  /** The processes of the replicas, by name. */
  readonly pids: ReadonlyMap<string, number>;
  postmaster(): ReturnType<typeof findPostmaster>;
}

async function clusterOf(context: TestContext, args: readonly string[]): Promise<RunningCluster> {
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o755); // as root without user namespaces the database runs as nobody
  const dataDir = join(folder.path, "data");
  const postgres = join(dataDir, "postgres");
  const flags = ["--port", "0", "--data-dir", dataDir, "--drain-grace-seconds", "1"];
  const running = startCli(["cluster", ...flags, ...args], { home: folder.path });
  const pids = new Map<string, number>();
  context.onTestFinished(async () => {
    running.kill("SIGKILL");
    await running.exited;
    for (const pid of pids.values()) endNow(pid);
    await endPostgres(postgres);
    await folder.remove();
  });
  const [, url = "", token = ""] = await running.outHas(
    /(http:\/\/127\.0\.0\.1:\d+)\/\?token=(\S+)/,
  );
  await running.outHas(/^End /m);
  for (const [, name = "", pid] of running.out().matchAll(/^ {2}(\d+) {2}process (\d+)/gm)) {
    pids.set(name, Number(pid));
  }
  const client = createClient({ baseUrl: url, token });
  return { ...running, client, url, pids, postmaster: async () => await findPostmaster(postgres) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function endNow(pid: number): void {
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
}

async function allGone(cluster: RunningCluster): Promise<void> {
  await eventually("no process is left", () => ![...cluster.pids.values()].some(isAlive));
  await eventually("nor the database", async () => (await cluster.postmaster()) === undefined);
}

describe("parley cluster", () => {
  test("a reply goes on while replicas are killed, and nothing is left at the end", async (context) => {
    const cluster = await clusterOf(context, ["--replicas", "3"]);
    const { client, pids } = cluster;
    expect([...pids.keys()]).toEqual(["1", "2", "3"]);
    const { chat } = await client.createChat({ content: "A long answer, please." });
    const screen = onlooker(client, chat.id);
    context.onTestFinished(async () => await screen.close());
    await screen.until("it begins", (t) => previewText(t).length > 40);
    for (const name of ["1", "2"]) {
      const said = previewText(screen.transcript).length;
      process.kill(pids.get(name)!, "SIGKILL");
      await cluster.outHas(new RegExp(`Replica ${name} \\(process \\d+\\) was ended by SIGKILL`));
      await screen.until("it goes on", (t) => previewText(t).length > said + 40);
    }
    // What a dying replica said last may be lost with it, and what is still under way of it looks as if it went on. A
    // stream that begins now shows as live parts only what the last replica says.
    await eventually("the last one drives it", async () => {
      const { replicas } = await client.replicas();
      return replicas.some(
        ({ answers, chats }) => answers && chats.some(({ id }) => id === chat.id),
      );
    });
    const late = onlooker(client, chat.id);
    context.onTestFinished(async () => await late.close());
    await late.until("the last one speaks", (t, events) => {
      return previewText(t).length > 40 && events.some(({ type }) => type === "message_part");
    });
    const said = previewText(late.transcript);
    // The answer takes a minute: it is stopped, which keeps what was said.
    await client.interrupt(chat.id, { wait: true });
    await screen.until("it has stopped", settled);
    const messages = await expectEqualToDatabase(client, chat.id, screen);
    expect(messages).toHaveLength(2);
    expect(messages[1]).toMatchObject({ finish_reason: "interrupted" });
    expect(textOf(messages[1]).slice(0, said.length)).toBe(said);
    expectSoundStream(screen.events);
    expect(readies(screen.events)).toBeGreaterThan(0);

    // What is new finds the one that is left, too.
    const next = await client.sendMessage(chat.id, { content: "And now?" });
    expect(next.chat.status).toBe("running");
    await screen.until("the next turn is over", (t) => settled(t) && t.messages.length === 4);

    cluster.kill("SIGTERM");
    expect(await within("it ends", cluster.exited)).toEqual({ code: 0, signal: null });
    await allGone(cluster);
  });

  test("with --restart what dies comes back, and what hangs is passed over", async (context) => {
    const cluster = await clusterOf(context, ["--replicas", "2", "--restart"]);
    const [first, second] = [cluster.pids.get("1")!, cluster.pids.get("2")!];
    process.kill(first, "SIGKILL");
    await cluster.outHas(/Replica 1 runs again\./);
    process.kill(second, "SIGSTOP");
    await cluster.outHas(/Replica 2 does not answer/);
    for (let i = 0; i < 4; i++) {
      expect((await fetch(`${cluster.url}/readyz`)).status).toBe(200);
    }
    process.kill(second, "SIGCONT");
    await cluster.outHas(/Replica 2 is ready/);

    // Stopped ones hear of the end as well.
    process.kill(second, "SIGSTOP");
    cluster.kill("SIGINT");
    expect(await within("it ends", cluster.exited)).toEqual({ code: 0, signal: null });
    await allGone(cluster);
  });

  test("replicas do not outlive the process that started them, even if it is killed", async (context) => {
    const cluster = await clusterOf(context, ["--replicas", "2"]);
    cluster.kill("SIGKILL");
    await cluster.exited;
    await allGone(cluster);
  });
});

describe("parley cluster refuses", () => {
  const refusals: [what: string, args: string[], code: number, says: RegExp][] = [
    ["no replicas", ["--replicas", "0"], 2, /whole number from 1 to 20/],
    ["to be the only server", ["--single"], 2, /PARLEY_SINGLE and --single must be off/],
    ["a port that is no port", ["--port", "x"], 2, /--port x/],
  ];

  test.each(refusals)("%s", async (_what, args, code, says) => {
    const folder = await temporaryFolder();
    const result = await runCliProcess(["cluster", ...args], { home: folder.path });
    await folder.remove();
    expect(result.err).toMatch(says);
    expect(result.code).toBe(code);
  });

  test("an address that is taken, and leaves nothing behind", async () => {
    const folder = await temporaryFolder();
    await chmod(folder.path, 0o755);
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const args = ["cluster", "--port", String(port), "--data-dir", join(folder.path, "data")];
    const result = await runCliProcess(args, { home: folder.path });
    taken.close();
    expect(result.err).toMatch(/is taken: another program listens there/);
    expect(result.code).toBe(1);
    expect(await findPostmaster(join(folder.path, "data", "postgres"))).toBeUndefined();
    await folder.remove();
  });
});
