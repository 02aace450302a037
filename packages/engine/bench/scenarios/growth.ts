import pg from "pg";
import type { StatsSnapshot } from "../../src/postgres/stats.ts";
import type { Lived } from "../programs/people.ts";
import { makeChats, type Cluster, type Member } from "../rig/cluster.ts";
import { costOf } from "../rig/cost.ts";
import type { Program } from "../rig/program.ts";
import {
  interleave,
  type BenchOptions,
  type Contender,
  type Figures,
  type Result,
  type Scenario,
} from "../rig/scenario.ts";
import { onStage, onStages } from "../rig/stage.ts";

/** Of each size, so that one slow turn says nothing. */
const chatsMeasured = 10;
const turnsPerChat = 2;
/** Few enough for the replica to remember the longest histories, and turns enough to see a tenth. */
const longChats = 5;
const laterTurns = 20;

const histories = { small: [10, 100, 1_000], full: [10, 100, 1_000, 10_000] };
const databases = { small: [1_000, 20_000], full: [1_000, 30_000, 1_000_000] };
const fleets = { small: [1, 2, 4], full: [1, 2, 4, 8] };

export const growth: Scenario = {
  name: "growth",
  // Twenty turns a round, of which 10 % are to be seen.
  rounds: 9,
  about: "what a turn costs in long chats, in large databases, and with more replicas",
  async run(options) {
    return [await byHistory(options), await byChats(options), await byReplicas(options)];
  },
};

const turnsWork = `${chatsMeasured} chats, one after the other, ${turnsPerChat} turns each`;

async function byHistory(options: BenchOptions): Promise<Result> {
  return await onStage(async ({ cluster, start }) => {
    // A history that is summarised is short again.
    const owner = await cluster.replica({ env: { PARLEY_COMPACTION_PERCENT: "0" } });
    const contenders: Contender[] = [];
    const sizes = options.full ? histories.full : histories.small;
    const against = `${sizes[0]} messages`;
    for (const size of sizes) {
      const people = await start("people");
      // Of their own for each round: turns make a history longer.
      const sets: string[][] = [];
      for (let round = 0; round <= options.rounds; round++) {
        const ids = await makeChats(owner, longChats);
        for (const id of ids) await fillHistory(cluster, id, size);
        sets.push(ids);
      }
      let round = 0;
      contenders.push({
        name: `${size} messages`,
        against,
        measure: async () => await lifeCost(cluster, people, owner, sets[round++] ?? []),
      });
    }
    // One round each to warm up, too: there are chats for so many.
    const measured = await interleave(options, contenders, 0);
    const work = `${longChats} chats, one after the other, ${laterTurns} turns each, with so much history before the first that their replica knows; and, apart, that first one`;
    const notes = [
      "The first turn of a chat on a replica reads its history, once; later ones find it in memory. A model is given all of it, which over a wire grows with it; the model here is in the replica's own process, so that what is measured is the rest.",
    ];
    return { scenario: "growth: history", work, ...measured, notes };
  });
}

/** What a turn costs where the replica has read the history in a turn before, and what that one costs. */
async function lifeCost(
  cluster: Cluster,
  people: Program,
  owner: Member,
  ids: readonly string[],
): Promise<Figures> {
  const first = await turnCost(cluster, people, owner, [owner], ids, 1);
  // What reading has left to collect is none of the later turns'.
  await owner.program.call("memory");
  const later = await turnCost(cluster, people, owner, [owner], ids, laterTurns);
  return {
    ...later,
    "first turn here: p50 ms": first["turn p50 ms"] ?? NaN,
    "its CPU ms": first["CPU ms per turn"] ?? NaN,
    "its store CPU ms": first["store CPU ms per turn"] ?? NaN,
  };
}

async function byChats(options: BenchOptions): Promise<Result> {
  const sizes = options.full ? databases.full : databases.small;
  return await onStages(sizes.length, async (stages) => {
    const contenders: Contender[] = [];
    for (const [i, { cluster, start }] of stages.entries()) {
      const size = sizes[i] ?? 0;
      const [owner, people] = [await cluster.replica(), await start("people")];
      const ids = await makeChats(owner, chatsMeasured);
      await fillDatabase(cluster, size);
      contenders.push({
        name: `${size} chats`,
        against: `${sizes[0]} chats`,
        measure: async () => await turnCost(cluster, people, owner, [owner], ids),
      });
    }
    const measured = await interleave(options, contenders);
    const work = `${turnsWork}, in a database of so many chats`;
    return { scenario: "growth: chats", work, ...measured, notes: [] };
  });
}

async function byReplicas(options: BenchOptions): Promise<Result> {
  const sizes = options.full ? fleets.full : fleets.small;
  return await onStages(sizes.length, async (stages) => {
    const contenders: Contender[] = [];
    for (const [i, { cluster, start }] of stages.entries()) {
      const size = sizes[i] ?? 0;
      const [owner, people] = [await cluster.replica(), await start("people")];
      const members: Member[] = [owner];
      while (members.length < size) members.push(await cluster.replica());
      const ids = await makeChats(owner, chatsMeasured);
      contenders.push({
        name: `${size} ${size === 1 ? "replica" : "replicas"}`,
        against: "1 replica",
        measure: async () => await turnCost(cluster, people, owner, members, ids),
      });
    }
    const measured = await interleave(options, contenders);
    const work = `${turnsWork}, on one of so many replicas`;
    const notes = [
      "Processor time is the replica's that drives the chats; statements are those of all of them.",
    ];
    return { scenario: "growth: replicas", work, ...measured, notes };
  });
}

async function turnCost(
  { postgres }: Cluster,
  people: Program,
  owner: Member,
  members: readonly Member[],
  ids: readonly string[],
  turns = turnsPerChat,
): Promise<Figures> {
  const snapshots = async (): Promise<StatsSnapshot[]> =>
    await Promise.all(
      members.map(async ({ program }) => await program.call<StatsSnapshot>("stats")),
    );
  const spent = async (): Promise<[number, number]> => [
    await owner.program.cpu(),
    await postgres.cpu(),
  ];
  await people.call(
    "come",
    ids.map((id) => owner.place(id, "bench/short")),
  );
  const [before, [cpuBefore, storeBefore]] = [await snapshots(), await spent()];
  const lived = await people.call<Lived>("live", { atOnce: 1, turns });
  const [after, [cpuAfter, storeAfter]] = [await snapshots(), await spent()];
  await people.call("leave");
  const cost = costOf(before, after);
  return {
    "turn p50 ms": lived.whole.p50,
    "CPU ms per turn": (cpuAfter - cpuBefore) / 1000 / lived.turns,
    "store CPU ms per turn": (storeAfter - storeBefore) / 1000 / lived.turns,
    "statements per turn": cost.statements / lived.turns,
    "write transactions per turn": cost.writes / lived.turns,
  };
}

/** As it would have been said in turns before. */
async function fillHistory(
  { databaseUrl }: Cluster,
  chatId: string,
  messages: number,
): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    await client.query("begin");
    await client.query(
      "update parley.chats set snapshot_version = snapshot_version + 1 where id = $1",
      [chatId],
    );
    await client.query(
      `insert into parley.chat_messages (chat_id, role, visibility, parts, finish_reason, model)
       select $1, case when n % 2 = 1 then 'user' else 'assistant' end, 'both',
              jsonb_build_array(jsonb_build_object('type', 'text', 'text', repeat('word ', 40))),
              case when n % 2 = 0 then 'stop' end, case when n % 2 = 0 then 'bench/short' end
       from generate_series(1, $2::int) n`,
      [chatId, messages],
    );
    await client.query("commit");
  });
}

/** Chats that are idle, with two messages each. */
async function fillDatabase({ databaseUrl, principalId }: Cluster, chats: number): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    await client.query(
      `with made as (
         insert into parley.chats (id, owner_id, root_chat_id, model, status)
         select id, $1, id, 'bench/short', 'waiting'
         from (select gen_random_uuid() as id
               from generate_series(1, $2::int - (select count(*)::int from parley.chats))) new
         returning id)
       insert into parley.chat_messages (chat_id, role, visibility, parts)
       select id, 'user', 'both', '[{"type":"text","text":"Hello."}]'::jsonb from made`,
      [principalId, chats],
    );
    await client.query("analyze parley.chats, parley.chat_messages");
  });
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
