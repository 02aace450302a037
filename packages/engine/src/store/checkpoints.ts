import { foldInto, type LivePart, type Part } from "@parley/protocol";
import type {
  Checkpoint,
  CheckpointOutcome,
  CheckpointPort,
  CheckpointTail,
} from "../parts/ports.ts";
import type { Database } from "../postgres/database.ts";

/** The rows of `parley.episode_checkpoints`, one for each tail that was written. */
export function createCheckpoints(database: Database): CheckpointPort {
  return {
    write: (tails) => writeTails(database, tails),
    read: (chatId, historyVersion) => readCheckpoint(database, chatId, historyVersion),
    sweep: () => sweep(database),
  };
}

/**
 * One statement for all. Chats are joined, not locked: what a runner that has just lost its chat still writes is
 * of a version or attempt that nobody reads. A whole (`first_seq` 1) overwrites the first row and removes the others.
 */
async function writeTails(
  database: Database,
  tails: readonly CheckpointTail[],
): Promise<CheckpointOutcome[]> {
  if (tails.length === 0) return [];
  const rows = await database.write(
    async (tx) =>
      await tx.query<{ n: number; written: boolean }>({
        name: "checkpoints.write",
        text: `with tails as (
                 select * from unnest($1::uuid[], $2::bigint[], $3::integer[], $4::uuid[], $5::integer[],
                   $6::integer[], $7::jsonb[]) with ordinality
                   as t (chat_id, history_version, generation_attempt, runner_id, first_seq, last_seq, live_parts, n)
               ), mine as (
                 select t.*, (select max(e.last_seq) from parley.episode_checkpoints e
                              where e.chat_id = t.chat_id and e.history_version = t.history_version
                                and e.generation_attempt = t.generation_attempt) as stored
                 from tails t join parley.chats c on c.id = t.chat_id and c.runner_id = t.runner_id
                   and c.history_version = t.history_version and c.generation_attempt = t.generation_attempt
               ), replaced as (
                 delete from parley.episode_checkpoints e using mine m
                 where m.first_seq = 1 and e.first_seq > 1 and e.chat_id = m.chat_id
                   and e.history_version = m.history_version and e.generation_attempt = m.generation_attempt
               ), written as (
                 insert into parley.episode_checkpoints
                   (chat_id, history_version, generation_attempt, first_seq, last_seq, live_parts, written_at)
                 select chat_id, history_version, generation_attempt, first_seq, last_seq, live_parts, parley.now()
                 from mine where first_seq = 1 or stored = first_seq - 1
                 on conflict (chat_id, history_version, generation_attempt, first_seq) do update
                   set last_seq = excluded.last_seq, live_parts = excluded.live_parts,
                     written_at = excluded.written_at
                 returning chat_id, history_version, generation_attempt
               )
               select m.n::integer as n, exists (
                 select from written w where w.chat_id = m.chat_id and w.history_version = m.history_version
                   and w.generation_attempt = m.generation_attempt) as written
               from mine m`,
        values: [
          tails.map((t) => t.chat_id),
          tails.map((t) => t.history_version),
          tails.map((t) => t.generation_attempt),
          tails.map((t) => t.runner_id),
          tails.map((t) => t.first_seq),
          tails.map((t) => t.last_seq),
          tails.map((t) => JSON.stringify(t.live_parts)),
        ],
      }),
    { operation: "checkpoints.write", lane: "upkeep" },
  );
  const outcomes = tails.map((): CheckpointOutcome => "foreign");
  for (const { n, written } of rows) outcomes[n - 1] = written ? "written" : "gap";
  return outcomes;
}

interface CheckpointRow {
  readonly generation_attempt: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly live_parts: readonly LivePart[];
}

/** The fold of the rows in order, up to the first hole; of the newest attempt that said anything. */
async function readCheckpoint(
  database: Database,
  chatId: string,
  historyVersion: number,
): Promise<Checkpoint | null> {
  const rows = await database.one<CheckpointRow>(
    {
      name: "checkpoints.read",
      text: `select generation_attempt, first_seq, last_seq, live_parts from parley.episode_checkpoints
             where chat_id = $1 and history_version = $2 order by generation_attempt desc, first_seq`,
      values: [chatId, historyVersion],
    },
    { operation: "checkpoints.read" },
  );
  for (const attempt of new Set(rows.map((row) => row.generation_attempt))) {
    const checkpoint = foldRows(rows.filter((row) => row.generation_attempt === attempt));
    if (checkpoint.parts.length > 0) return { generation_attempt: attempt, ...checkpoint };
  }
  return null;
}

function foldRows(rows: readonly CheckpointRow[]): { last_seq: number; parts: Part[] } {
  const parts: Part[] = [];
  let last_seq = 0;
  for (const row of rows) {
    if (row.first_seq !== last_seq + 1) break;
    for (const part of row.live_parts) foldInto(parts, part);
    last_seq = row.last_seq;
  }
  return { last_seq, parts };
}

async function sweep(database: Database): Promise<void> {
  await database.write(
    async (tx) =>
      await tx.query({
        name: "checkpoints.sweep",
        text: `delete from parley.episode_checkpoints e
               where not exists (select from parley.chats c
                                 where c.id = e.chat_id and c.history_version = e.history_version)`,
      }),
    { operation: "checkpoints.sweep", lane: "upkeep" },
  );
}
