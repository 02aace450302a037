import type { MessageRow, NewMessage, OpenCall } from "../domain/rows.ts";
import type { ReadTx, WriteTx } from "../postgres/sql.ts";

const columns = `id, chat_id, revision, role, visibility, parts, model, reasoning_effort, usage, finish_reason,
  episode, created_by, client_id, is_boundary, deleted, created_at`;

export async function insertMessage(
  tx: WriteTx,
  chatId: string,
  message: NewMessage,
): Promise<MessageRow> {
  const [row] = await tx.query<MessageRow>({
    name: "chat_messages.insert",
    text: `insert into parley.chat_messages (chat_id, role, visibility, parts, model, reasoning_effort, usage,
             finish_reason, episode, created_by, client_id, is_boundary)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning ${columns}`,
    values: [
      chatId,
      message.role,
      message.visibility ?? "both",
      JSON.stringify(message.parts),
      message.model ?? null,
      message.reasoning_effort ?? null,
      message.usage ? JSON.stringify(message.usage) : null,
      message.finish_reason ?? null,
      message.episode ? JSON.stringify(message.episode) : null,
      message.created_by ?? null,
      message.client_id ?? null,
      message.is_boundary ?? false,
    ],
  });
  return row as MessageRow;
}

export async function readMessage(
  tx: ReadTx,
  chatId: string,
  messageId: number,
): Promise<MessageRow | undefined> {
  const [row] = await tx.query<MessageRow>({
    name: "chat_messages.read",
    text: `select ${columns} from parley.chat_messages where chat_id = $1 and id = $2`,
    values: [chatId, messageId],
  });
  return row;
}

/** Soft-deletes a message and everything after it. */
export async function deleteMessagesFrom(
  tx: WriteTx,
  chatId: string,
  messageId: number,
): Promise<void> {
  await tx.query({
    name: "chat_messages.delete_from",
    text: `update parley.chat_messages set deleted = true where chat_id = $1 and id >= $2 and not deleted`,
    values: [chatId, messageId],
  });
}

/** Calls in active history that no later message has answered, in call order. */
export async function readOpenCalls(tx: ReadTx, chatId: string): Promise<OpenCall[]> {
  return await tx.query<OpenCall>({
    name: "chat_messages.open_calls",
    text: `select * from parley.open_tool_calls($1)`,
    values: [chatId],
  });
}

/** Live messages that a model may see, after the newest boundary (its own summary included), oldest first. */
export async function readContext(tx: ReadTx, chatId: string): Promise<MessageRow[]> {
  return await tx.query<MessageRow>({
    name: "chat_messages.context",
    text: `select ${columns} from parley.chat_messages
           where chat_id = $1 and not deleted and visibility <> 'user'
             and id >= coalesce((select max(id) from parley.chat_messages
                                 where chat_id = $1 and is_boundary and not deleted), 0)
           order by id`,
    values: [chatId],
  });
}

/** The newest `limit` live messages that clients may see, newest first; older than `before` where given. */
export async function readNewest(
  tx: ReadTx,
  chatId: string,
  limit: number,
  before: number | null,
): Promise<MessageRow[]> {
  return await tx.query<MessageRow>({
    name: "chat_messages.newest",
    text: `select ${columns} from parley.chat_messages
           where chat_id = $1 and not deleted and visibility <> 'model' and ($3::bigint is null or id < $3)
           order by id desc limit $2`,
    values: [chatId, limit, before],
  });
}

/** Live messages that clients may see with greater ids than `after`, oldest first. */
export async function readAfter(
  tx: ReadTx,
  chatId: string,
  limit: number,
  after: number,
): Promise<MessageRow[]> {
  return await tx.query<MessageRow>({
    name: "chat_messages.after",
    text: `select ${columns} from parley.chat_messages
           where chat_id = $1 and not deleted and visibility <> 'model' and id > $3
           order by id limit $2`,
    values: [chatId, limit, after],
  });
}

/** Every id that a call of this chat has had, deleted messages included: ids are never used twice. */
export async function readUsedCallIds(tx: ReadTx, chatId: string): Promise<string[]> {
  const rows = await tx.query<{ call_id: string }>({
    name: "chat_messages.used_call_ids",
    text: `select unnest(tool_call_ids) as call_id from parley.chat_messages
           where chat_id = $1 and tool_call_ids is not null`,
    values: [chatId],
  });
  return rows.map((row) => row.call_id);
}
