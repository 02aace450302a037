import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import { eventually } from "../eventually.ts";
import { inMs, print, quantiles } from "./figures.ts";
import { startFleet, type Fleet, type FleetOptions } from "./fleet.ts";
import { Life, isIdle, noDeeds, type Deeds } from "./life.ts";
import { judge, type HistoryRow } from "./verdict.ts";

export interface StormOptions {
  readonly chats: number;
  readonly seed: string;
  /** How long people think between two turns, on average. */
  readonly thinkMs: number;
  /** Between two kills, about. */
  readonly killEveryMs: number;
  /** Instead of `kill -9` of a random replica, and how the fleet is put together for it. Returns what it was. */
  readonly trouble?: (fleet: Fleet, random: Random) => Promise<string>;
  readonly fleet?: Partial<FleetOptions>;
  /** After this nobody begins another turn. */
  readonly liveMsMax: number;
}

/**
 * How long everything may take to come to rest after the last wish: the lease of a replica that was killed, a poll, and as
 * much again and more on a machine that has other things to do.
 */
const restMsMax = 120_000;
const replicas = 3;

/** Returns every fault found; prints its figures. */
export async function storm(options: StormOptions): Promise<string[]> {
  const random = seededRandom(options.seed);
  const fleet = await startFleet({
    size: replicas,
    random,
    seed: options.seed,
    ...options.fleet,
  });
  const lives = Array.from(
    { length: options.chats },
    (_, index) => new Life(index, fleet, options.seed, options.thinkMs),
  );
  const over = new AbortController();
  const began = performance.now();
  const timer = setTimeout(() => over.abort(), options.liveMsMax);
  const killer = killing(fleet, options, over.signal);
  try {
    await Promise.all(lives.map(async (life) => await life.live(over.signal)));
    clearTimeout(timer);
    const lived = performance.now();
    over.abort();
    const kills = await killer;
    const faults = await rest(fleet, lives);
    const rested = performance.now();
    faults.push(...(await verdicts(fleet, lives)));
    await report(fleet, lives, options, { kills, livedMs: lived - began, restMs: rested - lived });
    if (faults.length > 0) faults.push(...complaints(fleet), await logsOf(fleet));
    return faults;
  } catch (error) {
    throw new Error(`the storm could not be lived through; ${await logsOf(fleet)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    over.abort();
    await killer.catch(() => {});
    await Promise.all(lives.map(async (life) => await life.close()));
    await fleet.close();
  }
}

async function killOne(fleet: Fleet, random: Random): Promise<string> {
  const member = fleet.members[Math.floor(random.float() * fleet.members.length)]!;
  await member.count();
  await member.restart("SIGKILL");
  return "kill -9";
}

/** A random replica's death, or other trouble, every few seconds. Returns how many of each. */
async function killing(
  fleet: Fleet,
  { seed, killEveryMs, trouble = killOne }: StormOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const random = seededRandom(`${seed}/kills`);
  const done = new Map<string, number>();
  /* oxlint-disable no-await-in-loop */
  while (!signal.aborted) {
    await pauseUnless(signal, killEveryMs * (0.6 + 0.8 * random.float()));
    if (signal.aborted) break;
    const what = await trouble(fleet, random);
    done.set(what, (done.get(what) ?? 0) + 1);
  }
  /* oxlint-enable no-await-in-loop */
  return done;
}

async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}

/** Nobody does anything any more: every chat comes to rest by itself, and every screen shows that. */
async function rest(fleet: Fleet, lives: readonly Life[]): Promise<string[]> {
  const restless = `select id from parley.chats where status not in ('waiting', 'error') or queue_length > 0`;
  try {
    await eventually(
      "all chats are at rest",
      async () => (await fleet.sql(restless)).length === 0,
      restMsMax,
    );
  } catch {
    const rows = await fleet.sql(
      `select id, status, queue_length, worker_id, generation_attempt, last_error, retry_state,
              requires_action_deadline_at from parley.chats
       where status not in ('waiting', 'error') or queue_length > 0`,
    );
    return [`not at rest after ${restMsMax} ms: ${JSON.stringify(rows, null, 1)}`];
  }
  const screens = lives.flatMap((life) => life.screens);
  const lastIds = await lastMessages(fleet);
  const shown = await Promise.all(
    screens.map(
      async (screen) =>
        await screen.until(
          (t) => isIdle(t) && t.messages.at(-1)?.id === lastIds.get(screen.chatId),
          restMsMax,
        ),
    ),
  );
  const late = shown.filter((isShown) => !isShown).length;
  return late > 0 ? [`${late} of ${screens.length} screens never showed the end`] : [];
}

async function lastMessages(fleet: Fleet): Promise<Map<string, number>> {
  const rows = await fleet.sql<{ chat_id: string; id: string }>(
    `select chat_id, max(id) as id from parley.chat_messages
     where not deleted and visibility <> 'model' group by chat_id`,
  );
  return new Map(rows.map(({ chat_id, id }) => [chat_id, Number(id)]));
}

async function verdicts(fleet: Fleet, lives: readonly Life[]): Promise<string[]> {
  const history = await fleet.sql<HistoryRow>(
    `select m.chat_id, m.id::int, m.role, m.deleted, m.finish_reason, m.client_id,
            coalesce((select string_agg(p ->> 'text', '') from jsonb_array_elements(m.parts) p
                      where p ->> 'type' = 'text'), '') as text
     from parley.chat_messages m order by m.id`,
  );
  const states = await fleet.sql<{ id: string; status: string }>(
    `select id, status from parley.chats`,
  );
  const judged = lives.map(async (life) => {
    const { messages, queue } = await fleet.anywhere((client) =>
      client.listMessages(life.chatId, { limit: 200 }),
    );
    const status = states.find(({ id }) => id === life.chatId)?.status ?? "gone";
    const rows = history.filter(({ chat_id }) => chat_id === life.chatId);
    return judge(life, { status, rows, messages, queue });
  });
  return (await Promise.all(judged)).flat();
}

async function report(
  fleet: Fleet,
  lives: readonly Life[],
  { chats, seed }: StormOptions,
  {
    kills,
    livedMs,
    restMs,
  }: { kills: ReadonlyMap<string, number>; livedMs: number; restMs: number },
): Promise<void> {
  const deeds = noDeeds();
  for (const life of lives) {
    for (const name of Object.keys(deeds) as (keyof Deeds)[]) deeds[name] += life.deeds[name];
  }
  const screens = lives.flatMap((life) => life.screens);
  const sum = (of: (screen: (typeof screens)[number]) => number): number =>
    screens.reduce((total, screen) => total + of(screen), 0);
  const { statements, takeovers } = await fleet.counted();
  const replies = await fleet.sql<{ finish_reason: string; n: string }>(
    `select finish_reason, count(*) as n from parley.chat_messages where role = 'assistant' group by 1 order by 1`,
  );
  const turns = replies.reduce((total, { n }) => total + Number(n), 0);
  const perTurn = Object.values(statements).reduce((total, n) => total + n, 0) / turns;
  const streamReads = (statements["stream.sync"] ?? 0) / turns;
  print(`storm: ${chats} chats × 3 screens, seed ${seed}`, {
    "lived, came to rest": `${(livedMs / 1_000).toFixed(1)} s, ${(restMs / 1_000).toFixed(1)} s`,
    "turns asked for": lives.reduce((total, life) => total + life.turns, 0),
    "replies committed": replies.map(({ finish_reason, n }) => `${finish_reason} ${n}`).join(", "),
    deeds: Object.entries(deeds)
      .map(([name, n]) => `${name} ${n}`)
      .join(", "),
    trouble: [...kills].map(([what, n]) => `${what} ${n}`).join(", "),
    "calls made again": [...fleet.again].map(([why, n]) => `${why} ${n}`).join(", ") || "none",
    "chats taken over": takeovers,
    "connections of screens": sum(({ connections }) => connections),
    "live parts, snapshots": `${sum(({ parts }) => parts)}, ${sum(({ snapshots }) => snapshots)}`,
    "asked to first text": inMs(quantiles(firstTexts(lives))),
    "statements per reply": `${perTurn.toFixed(1)} (streams' reads ${streamReads.toFixed(1)}), beats and looks included`,
  });
}

/** From the click to the first text, for every screen that saw it and every message that began a turn at once. */
function firstTexts(lives: readonly Life[]): number[] {
  return lives.flatMap(({ sent, screens }) =>
    sent.flatMap(({ historyVersion, at }) => {
      if (historyVersion === null) return [];
      return screens.flatMap(({ firstTextAt }) => {
        const seen = firstTextAt.get(historyVersion);
        return seen === undefined ? [] : [seen - at];
      });
    }),
  );
}

async function logsOf(fleet: Fleet): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "parley-storm-"));
  for (const member of fleet.members) {
    // oxlint-disable-next-line no-await-in-loop
    await writeFile(join(folder, `replica-${member.index}.log`), member.output());
  }
  return `logs: ${folder}`;
}

/** What the replicas themselves found worth a word, for whoever looks into a fault. */
function complaints(fleet: Fleet): string[] {
  return fleet.members.flatMap((member) =>
    member
      .output()
      .split("\n")
      .filter((line) => /"level":"?(error|fatal|50|60)"?|ERROR|\berror\b/.test(line))
      .slice(-5)
      .map((line) => `replica ${member.index}: ${line.slice(0, 500)}`),
  );
}
