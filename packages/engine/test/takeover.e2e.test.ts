import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../src/lib/random.ts";
import { eventually } from "./eventually.ts";
import { gate, startProviderServer, textScript, type Gate } from "./provider-server.ts";
import { inMs, print, quantiles } from "./storm/figures.ts";
import { startFleet, type Fleet, type Member } from "./storm/fleet.ts";
import { tagOf, tagsIn } from "./storm/tags.ts";

/**
 * How long a chat waits for its next model call when the replica that drives it is killed, hangs, or is told to end.
 * `npm run takeover`: more samples. The bounds are loose, for machines that have other things to do; the figures are printed.
 */

const full = process.env["PARLEY_TAKEOVER"] === "full";
const rounds = full ? 10 : 2;
const hangRounds = full ? 3 : 1;
const chatsPerRound = 5;
const graceSeconds = 2;
const leaseMs = 20_000;

/** When each message was first, second, … given to the model. */
const calls = new Map<string, number[]>();
/** Replies that wait to be let go on; without an entry they wait for ever. */
const ends = new Map<string, Gate>();

let provider: Awaited<ReturnType<typeof startProviderServer>>;
let fleet: Fleet;
let made = 0;

beforeAll(async () => {
  provider = await startProviderServer({
    openaiChat({ body }) {
      const tag = tagsIn(JSON.stringify(body["messages"])).at(-1) ?? "";
      const times = calls.get(tag) ?? [];
      calls.set(tag, [...times, performance.now()]);
      // Who takes over is answered at once.
      if (times.length > 0) return textScript("openai-chat", ["after all"]);
      const end = ends.get(tag)?.promise ?? new Promise<void>(() => {});
      return textScript("openai-chat", ["begun, ", "ended"], { 1: end });
    },
  });
  fleet = await startFleet({
    size: 3,
    random: seededRandom("takeover"),
    seed: "takeover",
    providerPort: provider.port,
    env: { PARLEY_DRAIN_GRACE_SECONDS: String(graceSeconds) },
  });
  await settledFleet();
});

afterAll(async () => {
  await fleet.close();
  await provider.close();
});

/** Every replica's lock is registered, and all have been healthy for long enough to take what others had. */
async function settledFleet(): Promise<void> {
  await eventually("all workers have settled", async () => {
    const rows = await fleet.sql<{ n: number }>(
      `select count(*)::int as n from parley.workers
       where lock_key is not null and healthy_since < now() - interval '3.5 s'
         and heartbeat_at > now() - interval '2 s'`,
    );
    return rows[0]?.n === fleet.members.length;
  });
}

const called = async (tag: string, times: number): Promise<number> =>
  await eventually(`call ${times} for ${tag}`, () => calls.get(tag)?.[times - 1], leaseMs + 20_000);

interface Running {
  readonly tag: string;
  readonly chatId: string;
}

/** A chat whose model call is in flight at this replica. */
async function running({ client }: Member, end?: Gate): Promise<Running> {
  const tag = tagOf(0, ++made, false);
  if (end) ends.set(tag, end);
  const { chat } = await client.createChat({ content: tag, model: "openai-chat/scripted" });
  await called(tag, 1);
  return { tag, chatId: chat.id };
}

async function allRunning(member: Member): Promise<Running[]> {
  return await Promise.all(
    Array.from({ length: chatsPerRound }, async () => await running(member)),
  );
}

/** From now to the second call of each. */
async function untilTaken(chats: readonly Running[]): Promise<number[]> {
  const from = performance.now();
  const taken = await Promise.all(chats.map(async ({ tag }) => await called(tag, 2)));
  return taken.map((at) => at - from);
}

const memberOf = (round: number): Member => fleet.members[round % fleet.members.length]!;

/* oxlint-disable no-await-in-loop */

test("kill -9: taken over within about a second and a half", async () => {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const member = memberOf(round);
    const chats = await allRunning(member);
    const back = member.restart("SIGKILL");
    samples.push(...(await untilTaken(chats)));
    await back;
    await settledFleet();
  }
  print("takeover after kill -9, from the signal to the new owner's model call", {
    time: inMs(quantiles(samples)),
  });
  expect(quantiles(samples).p50).toBeLessThan(6_000);
}, 300_000);

test("SIGSTOP: taken over when the lease is over; who wakes up commits nothing, notices, and goes on", async () => {
  const samples: number[] = [];
  for (let round = 0; round < hangRounds; round++) {
    const member = memberOf(round);
    const chats = await allRunning(member);
    member.signal("SIGSTOP");
    try {
      samples.push(...(await untilTaken(chats)));
    } finally {
      member.signal("SIGCONT");
    }
    await eventually("it has noticed, and goes on under a new name", () =>
      member.output().includes("the lease was over while others lived on"),
    );
    await settledFleet();
    for (const { chatId, tag } of chats) {
      const { messages } = await fleet.anywhere((client) => client.listMessages(chatId));
      expect(messages).toHaveLength(2);
      expect(JSON.stringify(messages[1])).toContain("after all");
      expect(calls.get(tag)).toHaveLength(2);
    }
    // It drives chats again.
    const { tag } = await running(member, gate());
    expect(calls.get(tag)).toHaveLength(1);
  }
  print("takeover after SIGSTOP, lease 20 s", { time: inMs(quantiles(samples)) });
  expect(quantiles(samples).max).toBeLessThan(leaseMs + 10_000);
  expect(quantiles(samples).p50).toBeGreaterThan(leaseMs - 2_000);
}, 300_000);

test("SIGTERM: handed over when the grace ends, or sooner when the step does", async () => {
  const overGrace: number[] = [];
  const atStepEnd: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const member = memberOf(round);
    const long = await allRunning(member);
    const end = gate();
    const short = await running(member, end);
    const next = tagOf(0, ++made, false);
    ends.set(next, gate());
    await member.client.sendMessage(short.chatId, { content: next });
    const back = member.restart("SIGTERM");
    const stepEnded = (async () => {
      await eventually("it drains", async () => {
        const answer = await fetch(`${member.url}/readyz`).catch(() => null);
        return answer === null || answer.status === 503;
      });
      const from = performance.now();
      end.open();
      atStepEnd.push((await called(next, 1)) - from);
    })();
    overGrace.push(...(await untilTaken(long)).map((ms) => ms - graceSeconds * 1_000));
    await stepEnded;
    expect(await back).toBe(0);
    await settledFleet();
  }
  print(`hand-over after SIGTERM, grace ${graceSeconds} s`, {
    "step longer than the grace: beyond its end": inMs(quantiles(overGrace)),
    "step that ends: from its end to the next call": inMs(quantiles(atStepEnd)),
  });
  expect(quantiles(overGrace).p50).toBeLessThan(2_000);
  expect(quantiles(overGrace).max).toBeLessThan(6_000);
  expect(quantiles(atStepEnd).p50).toBeLessThan(graceSeconds * 1_000);
}, 300_000);
