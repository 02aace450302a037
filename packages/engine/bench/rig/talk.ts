import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Received, Target } from "../programs/subscribers.ts";
import { each, idle, type Member } from "./cluster.ts";
import type { Program } from "./program.ts";
import type { BenchOptions, Contender, Figures } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { nowMs, sleep, until } from "./time.ts";

/** The beginning of a round, which is not measured: code is compiled, and buffers find their sizes. */
const warmMs = 400;

/** A contender that brings parts to subscribers. */
export interface Talk {
  readonly name: string;
  readonly against?: string;
  /** Whose processor time counts: everything between the source and the sockets. */
  readonly servers: readonly Program[];
  readonly subscribers: Program;
  begin(gapMs: number): Promise<void>;
  end(): Promise<void>;
}

/** Bare processes: `first` says the parts; `last` has the subscribers. */
export async function floorTalk(
  name: string,
  subscribers: Program,
  first: Program,
  last: Program,
  chats: number,
  perChat = 1,
): Promise<Talk> {
  const url = await last.call<string>("url");
  await subscribers.call(
    "connect",
    Array.from({ length: chats }, (_, i): Target => ({ url: `${url}/${i}`, count: perChat })),
  );
  return {
    name,
    servers: [...new Set([first, last])],
    subscribers,
    begin: async (gapMs) => void (await first.call("start", { chats, gapMs })),
    end: async () => void (await first.call("stop")),
  };
}

const peers = new URL("../peers/node_modules", import.meta.url);

/** Durable Streams, where `npm install` was run in bench/peers; else null. */
export async function durableStreamsTalk(
  start: Stage["start"],
  chats: number,
): Promise<Talk | null> {
  if (!existsSync(peers)) return null;
  const file = "durable-streams.mjs";
  const server = await start(file, { role: "server" });
  const url = await server.call<string>("url");
  const producer = await start(file, { role: "producer", url });
  const subscribers = await start(file, { role: "clients", url });
  await producer.call("create", { chats });
  await subscribers.call("connect", { chats });
  return {
    name: "peer: Durable Streams in memory",
    against: "floor: two processes",
    servers: [server, producer],
    subscribers,
    begin: async (gapMs) => void (await producer.call("start", { gapMs })),
    end: async () => void (await producer.call("stop")),
  };
}

/** Replicas: `owner` drives the chats; `edge` has the subscribers. */
export async function parleyTalk(
  name: string,
  against: string,
  subscribers: Program,
  owner: Member,
  edge: Member,
  chatIds: readonly string[],
  perChat = 1,
): Promise<Talk> {
  await subscribers.call(
    "connect",
    chatIds.map((id) => edge.target(id, perChat)),
  );
  return {
    name,
    against,
    servers: [...new Set([owner.program, edge.program])],
    subscribers,
    async begin(gapMs) {
      const message = { content: "Go on.", model: "bench/paced" };
      await each(chatIds, (id) => owner.client.sendMessage(id, message));
      await until("every chat speaks", async () => {
        return (await owner.program.call<number>("speaking")) === chatIds.length;
      });
      await owner.program.call("start", { gapMs });
    },
    async end() {
      await owner.program.call("stop");
      await idle(owner);
    },
  };
}

/** What one round of parts comes to: latency, and processor time of the servers for each part that was delivered. */
export function talking(talk: Talk, gapMs: number, { roundMs, profile }: BenchOptions): Contender {
  const { name, against, servers, subscribers } = talk;
  let round = 0;
  const measure = async (): Promise<Figures> => {
    await talk.begin(gapMs);
    const profiled = profile !== null && name.startsWith("Parley") && round++ === 1 ? servers : [];
    await Promise.all(profiled.map(async (server) => await server.call("profile")));
    await sleep(warmMs);
    const before = await cpuOf(servers);
    await subscribers.call("begin");
    const startedAt = nowMs();
    await sleep(roundMs);
    const [received, after] = await Promise.all([
      subscribers.call<Received>("end"),
      cpuOf(servers),
    ]);
    const seconds = (nowMs() - startedAt) / 1000;
    await Promise.all(
      profiled.map(async (server) => {
        const path = join(
          profile ?? "",
          `${name}-${server.name}.cpuprofile`.replaceAll(/[ ,]+/g, "-"),
        );
        await server.call("profiled", path);
      }),
    );
    await talk.end();
    const { n, p50, p95, p99, bytes } = received;
    return {
      "p50 ms": p50,
      "p95 ms": p95,
      "p99 ms": p99,
      "CPU µs per part": (after - before) / n,
      "parts/s": n / seconds,
      ...(bytes > 0 && { "bytes per part": bytes / n }),
    };
  };
  return { name, measure, ...(against !== undefined && { against }) };
}

async function cpuOf(servers: readonly Program[]): Promise<number> {
  const all = await Promise.all(servers.map(async (server) => await server.call<number>("cpu")));
  return all.reduce((sum, each) => sum + each, 0);
}
