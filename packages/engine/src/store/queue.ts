import type { QueueRow } from "../domain/rows.ts";
import type { ReadTx, WriteTx } from "../postgres/sql.ts";

const columns = `id, chat_id, (row_number() over (order by rank, id) - 1)::integer as position, manner, parts, model,
  reasoning_effort, response_format, model_settings, created_by, client_id, created_at`;

export type NewQueued = Pick<
  QueueRow,
  "manner" | "parts" | "model" | "reasoning_effort" | "created_by" | "client_id"
> &
  Partial<Pick<QueueRow, "response_format" | "model_settings">>;

/** The whole queue in order. It is short: `queueMessagesMax`. */
export async function readQueue(tx: ReadTx, chatId: string): Promise<QueueRow[]> {
  return await tx.query<QueueRow>({
    name: "chat_queue.read",
    text: `select ${columns} from parley.chat_queue where chat_id = $1 order by rank, id`,
    values: [chatId],
  });
}

/** Appends; `position` is where that is, since the caller holds the chat's lock and knows how many there are. */
export async function insertQueued(
  tx: WriteTx,
  chatId: string,
  queued: NewQueued,
  position: number,
): Promise<QueueRow> {
  const [row] = await tx.query<QueueRow>({
    name: "chat_queue.insert",
    text: `insert into parley.chat_queue (chat_id, rank, manner, parts, model, reasoning_effort, created_by, client_id,
             response_format, model_settings)
           values ($1, (select coalesce(max(rank), -1) + 1 from parley.chat_queue where chat_id = $1),
             $2, $3, $4, $5, $6, $7, $9, $10)
           returning id, chat_id, $8::integer as position, manner, parts, model, reasoning_effort, response_format,
             model_settings, created_by, client_id, created_at`,
    values: [
      chatId,
      queued.manner,
      JSON.stringify(queued.parts),
      queued.model,
      queued.reasoning_effort,
      queued.created_by,
      queued.client_id,
      position,
      queued.response_format ? JSON.stringify(queued.response_format) : null,
      queued.model_settings ? JSON.stringify(queued.model_settings) : null,
    ],
  });
  return row as QueueRow;
}

/** Gives the rows their places: `ids` in order, from 0. Moves the queue's version also where only gaps are closed. */
export async function rankQueue(
  tx: WriteTx,
  chatId: string,
  ids: readonly number[],
): Promise<void> {
  await tx.query({
    name: "chat_queue.rank",
    text: `update parley.chat_queue q set rank = o.n - 1
           from unnest($2::bigint[]) with ordinality as o (id, n)
           where q.chat_id = $1 and q.id = o.id and q.rank <> o.n - 1`,
    values: [chatId, ids],
  });
}

export async function updateQueued(
  tx: WriteTx,
  chatId: string,
  queuedId: number,
  parts: QueueRow["parts"] | null,
  manner: QueueRow["manner"] | null,
): Promise<void> {
  await tx.query({
    name: "chat_queue.update",
    text: `update parley.chat_queue set parts = coalesce($3, parts), manner = coalesce($4, manner)
           where chat_id = $1 and id = $2`,
    values: [chatId, queuedId, parts === null ? null : JSON.stringify(parts), manner],
  });
}

/** Steering that came too late for its turn waits like any other message. */
export async function unsteerQueue(tx: WriteTx, chatId: string): Promise<void> {
  await tx.query({
    name: "chat_queue.unsteer",
    text: `update parley.chat_queue set manner = 'queue' where chat_id = $1 and manner = 'steer'`,
    values: [chatId],
  });
}

export async function deleteQueued(
  tx: WriteTx,
  chatId: string,
  ids: readonly number[],
): Promise<void> {
  await tx.query({
    name: "chat_queue.delete",
    text: `delete from parley.chat_queue where chat_id = $1 and id = any ($2::bigint[])`,
    values: [chatId, ids],
  });
}

/** Takes one row out; false when it is not there. */
export async function takeQueued(tx: WriteTx, chatId: string, queuedId: number): Promise<boolean> {
  const rows = await tx.query({
    name: "chat_queue.take",
    text: `delete from parley.chat_queue where chat_id = $1 and id = $2 returning id`,
    values: [chatId, queuedId],
  });
  return rows.length === 1;
}

export async function clearQueue(tx: WriteTx, chatId: string): Promise<void> {
  await tx.query({
    name: "chat_queue.clear",
    text: `delete from parley.chat_queue where chat_id = $1`,
    values: [chatId],
  });
}

/** A message of this chat, sent and live or queued, has this client id. */
export async function clientIdTaken(
  tx: ReadTx,
  chatId: string,
  clientId: string,
): Promise<boolean> {
  const [row] = await tx.query<{ taken: boolean }>({
    name: "chat_queue.client_id_taken",
    text: `select exists (select from parley.chat_messages where chat_id = $1 and client_id = $2 and not deleted)
             or exists (select from parley.chat_queue where chat_id = $1 and client_id = $2) as taken`,
    values: [chatId, clientId],
  });
  return row?.taken ?? false;
}
