import { join } from "node:path";
import type { Received, Target } from "../programs/subscribers.ts";
import { each, idle, type Member } from "./cluster.ts";
import type { Peer } from "./peer.ts";
import type { Program } from "./program.ts";
import type { BenchOptions, Contender, Figures } from "./scenario.ts";
import { cpuOf, type Spender } from "./spender.ts";
import { nowMs, sleep, until } from "./time.ts";

/** The beginning of a round, which is not measured: code is compiled, and buffers find their sizes. */
const warmMs = 400;

/** A contender that brings parts to subscribers. */
export interface Talk {
  readonly name: string;
  readonly against?: string;
  /** Whose processor time counts: everything between the source and the sockets. */
  readonly servers: readonly Program[];
  /** What they keep things in; said apart. */
  readonly stores?: readonly Spender[];
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

/** Another's server; its subscribers come anew for each answer, for that is how they follow. */
export function peerTalk(
  peer: Peer,
  subscribers: Program,
  floors: { readonly local: string; readonly relayed: string },
  chats: number,
  perChat = 1,
): Talk {
  const { name, servers, stores, source } = peer;
  return {
    name,
    against: peer.relays ? floors.relayed : floors.local,
    servers,
    stores,
    subscribers,
    async begin(gapMs) {
      const targets = await peer.begin(chats);
      await subscribers.call(
        "connect",
        targets.map((target): Target => ({ url: target.url, body: target.body, count: perChat })),
      );
      await source.call("start", { gapMs });
    },
    async end() {
      await source.call("stop");
      await subscribers.call("close");
      await calm([...servers, ...stores]);
    },
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
  stores: readonly Spender[] = [],
): Promise<Talk> {
  await subscribers.call(
    "connect",
    chatIds.map((id) => edge.target(id, perChat)),
  );
  return {
    name,
    against,
    servers: [...new Set([owner.program, edge.program])],
    stores,
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

/** What has piled up is none of the next contender's. */
async function calm(spenders: readonly Spender[]): Promise<void> {
  const end = nowMs() + calmMsMax;
  /* oxlint-disable no-await-in-loop */
  for (let spent = Infinity; spent > calmShare * calmStepMs * 1000 && nowMs() < end;) {
    const before = await cpuOf(spenders);
    await sleep(calmStepMs);
    spent = (await cpuOf(spenders)) - before;
  }
  /* oxlint-enable no-await-in-loop */
}

const calmStepMs = 100;
/** Of a core: less than a process with nothing but timers takes. */
const calmShare = 0.2;
const calmMsMax = 10_000;

/** What one round of parts comes to: latency, and processor time of the servers for each part that was delivered. */
export function talking(talk: Talk, gapMs: number, { roundMs, profile }: BenchOptions): Contender {
  const { name, against, servers, stores = [], subscribers } = talk;
  let round = 0;
  const listen = async (): Promise<Figures> => {
    const profiled = profile !== null && name.startsWith("Parley") && round++ === 1 ? servers : [];
    await Promise.all(profiled.map(async (server) => await server.call("profile")));
    await sleep(warmMs);
    const [before, storesBefore] = [await cpuOf(servers), await cpuOf(stores)];
    await subscribers.call("begin");
    const startedAt = nowMs();
    await sleep(roundMs);
    const [received, after, storesAfter] = await Promise.all([
      subscribers.call<Received>("end"),
      cpuOf(servers),
      cpuOf(stores),
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
    const { n, p50, p95, p99, bytes } = received;
    return {
      "p50 ms": p50,
      "p95 ms": p95,
      "p99 ms": p99,
      "CPU µs per part": (after - before) / n,
      ...(stores.length > 0 && { "store CPU µs per part": (storesAfter - storesBefore) / n }),
      "parts/s": n / seconds,
      ...(bytes > 0 && { "bytes per part": bytes / n }),
    };
  };
  const measure = async (): Promise<Figures> => {
    try {
      await talk.begin(gapMs);
      return await listen();
    } finally {
      await talk.end();
    }
  };
  return { name, measure, ...(against !== undefined && { against }) };
}
