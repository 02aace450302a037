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
  type Result,
  type Scenario,
} from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";

/** Of each size, so that one slow turn says nothing. */
const chatsMeasured = 10;

const histories = { small: [10, 100, 1_000], full: [10, 100, 1_000, 10_000] };
const databases = { small: [1_000, 20_000], full: [1_000, 30_000, 1_000_000] };
const fleets = { small: [1, 2], full: [1, 2, 4, 8] };

export const growth: Scenario = {
  name: "growth",
  about: "what a turn costs in long chats, in large databases, and with more replicas",
  async run(options) {
    return [await byHistory(options), await byChats(options), await byReplicas(options)];
  },
};

async function byHistory(options: BenchOptions): Promise<Result> {
  return await onStage(async ({ cluster, start }) => {
    const owner = await cluster.replica();
    const contenders: Contender[] = [];
    const sizes = options.full ? histories.full : histories.small;
    const floor = `${sizes[0]} messages`;
    for (const size of sizes) {
      const ids = await makeChats(owner, chatsMeasured);
      for (const id of ids) await fillHistory(cluster, id, size);
      const name = `${size} messages`;
      contenders.push(await contender(name, floor, await start("people"), owner, [owner], ids));
    }
    const measured = await interleave(options, contenders);
    const work = `One turn in each of ${chatsMeasured} chats, one after the other, with so much history before it`;
    const notes = [
      "A model is given the whole history: what grows is the prompt, which is read once per turn.",
    ];
    return { scenario: "growth: history", work, ...measured, notes };
  });
}

async function byChats(options: BenchOptions): Promise<Result> {
  return await onStage(async ({ cluster, start }) => {
    const owner = await cluster.replica();
    const ids = await makeChats(owner, chatsMeasured);
    const people = await start("people");
    const sizes = options.full ? databases.full : databases.small;
    const outcomes: Result["outcomes"][number][] = [];
    const calms: Result["calms"][number][] = [];
    // They grow: nothing can be taken in turns here.
    for (const size of sizes) {
      await fillDatabase(cluster, size);
      const name = `${size} chats`;
      const one = await contender(name, `${sizes[0]} chats`, people, owner, [owner], ids);
      const measured = await interleave(options, [one]);
      outcomes.push(...measured.outcomes);
      calms.push(...measured.calms);
    }
    const work = `One turn in each of ${chatsMeasured} chats, one after the other, in a database of so many`;
    return { scenario: "growth: chats", work, outcomes, calms, notes: [] };
  });
}

async function byReplicas(options: BenchOptions): Promise<Result> {
  return await onStage(async ({ cluster, start }) => {
    const owner = await cluster.replica();
    const ids = await makeChats(owner, chatsMeasured);
    const people = await start("people");
    const members: Member[] = [owner];
    const outcomes: Result["outcomes"][number][] = [];
    const calms: Result["calms"][number][] = [];
    for (const size of options.full ? fleets.full : fleets.small) {
      while (members.length < size) members.push(await cluster.replica());
      const name = `${size} ${size === 1 ? "replica" : "replicas"}`;
      const one = await contender(name, "1 replica", people, owner, members, ids);
      const measured = await interleave(options, [one]);
      outcomes.push(...measured.outcomes);
      calms.push(...measured.calms);
    }
    const work = `One turn in each of ${chatsMeasured} chats, one after the other, on one of so many replicas`;
    return { scenario: "growth: replicas", work, outcomes, calms, notes: [] };
  });
}

async function contender(
  name: string,
  against: string,
  people: Program,
  owner: Member,
  members: readonly Member[],
  ids: readonly string[],
): Promise<Contender> {
  const snapshots = async (): Promise<StatsSnapshot[]> =>
    await Promise.all(
      members.map(async ({ program }) => await program.call<StatsSnapshot>("stats")),
    );
  const places = ids.map((id) => owner.place(id, "bench/short"));
  return {
    name,
    against,
    async measure() {
      await people.call("leave");
      await people.call("come", places);
      const [before, cpuBefore] = [await snapshots(), await owner.program.call<number>("cpu")];
      const lived = await people.call<Lived>("live", { atOnce: 1, turns: 3 });
      const [after, cpuAfter] = [await snapshots(), await owner.program.call<number>("cpu")];
      const cost = costOf(before, after);
      return {
        "turn p50 ms": lived.whole.p50,
        "CPU ms per turn": (cpuAfter - cpuBefore) / 1000 / lived.turns,
        "statements per turn": cost.statements / lived.turns,
        "write transactions per turn": cost.writes / lived.turns,
      };
    },
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
