import type { MessageRow, NewMessage, OpenCall } from "../domain/rows.ts";
import type { ReadTx, WriteTx } from "../postgres/sql.ts";

const columns = `id, chat_id, revision, role, visibility, parts, model, reasoning_effort, usage, finish_reason,
  episode, created_by, client_id, is_boundary, replaces, response_format, model_settings, deleted, created_at`;

export async function insertMessage(
  tx: WriteTx,
  chatId: string,
  message: NewMessage,
): Promise<MessageRow> {
  const [row] = await tx.query<MessageRow>({
    name: "chat_messages.insert",
    text: `insert into parley.chat_messages (chat_id, role, visibility, parts, model, reasoning_effort, usage,
             finish_reason, episode, created_by, client_id, is_boundary, replaces, response_format, model_settings)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) returning ${columns}`,
    values: valuesOf(chatId, message),
  });
  return row as MessageRow;
}

function valuesOf(chatId: string, message: NewMessage): unknown[] {
  return [
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
    message.replaces ?? null,
    message.response_format ? JSON.stringify(message.response_format) : null,
    message.model_settings ? JSON.stringify(message.model_settings) : null,
  ];
}

/** What the database would add to a message, where it is known before. */
export interface MessageStamp {
  /** Taken for it with the lock on its chat. */
  readonly id: number;
  /** The snapshot of its bundle: where the chat is not there yet, the message moves it. */
  readonly revision: number;
  readonly created_at: Date;
}

/** As `insertMessage`, under an id that was taken before: the row is known at once, and nobody need wait for it. */
export function insertMessageAs(
  tx: WriteTx,
  chatId: string,
  message: NewMessage,
  { id, revision, created_at }: MessageStamp,
): { readonly row: MessageRow; readonly sent: Promise<unknown> } {
  const row: MessageRow = {
    id,
    chat_id: chatId,
    revision,
    role: message.role,
    visibility: message.visibility ?? "both",
    parts: message.parts,
    model: message.model ?? null,
    reasoning_effort: message.reasoning_effort ?? null,
    usage: message.usage ?? null,
    finish_reason: message.finish_reason ?? null,
    episode: message.episode ?? null,
    created_by: message.created_by ?? null,
    client_id: message.client_id ?? null,
    is_boundary: message.is_boundary ?? false,
    replaces: message.replaces ?? null,
    response_format: message.response_format ?? null,
    model_settings: message.model_settings ?? null,
    deleted: false,
    created_at,
  };
  const sent = tx.queryWithNext({
    name: "chat_messages.insert_as",
    text: `insert into parley.chat_messages (chat_id, role, visibility, parts, model, reasoning_effort, usage,
             finish_reason, episode, created_by, client_id, is_boundary, replaces, response_format, model_settings,
             id, revision, created_at)
           overriding system value
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
    values: [...valuesOf(chatId, message), id, revision, created_at],
  });
  return { row, sent };
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

/** What a boundary or a retry is judged by: the newest message that a model may see after the newest boundary. */
export async function readContextEnd(
  tx: ReadTx,
  chatId: string,
): Promise<{ last: MessageRow | null; replied: boolean }> {
  const rows = await tx.query<MessageRow & { replied: boolean }>({
    name: "chat_messages.context_end",
    text: `with since as (
             select coalesce(max(id), 0) as id from parley.chat_messages
             where chat_id = $1 and is_boundary and not deleted
           ), context as (
             select m.* from parley.chat_messages m, since
             where m.chat_id = $1 and m.id > since.id and not m.deleted and m.visibility <> 'user'
           )
           select ${columns}, exists (select from context where role = 'assistant') as replied
           from context order by id desc limit 1`,
    values: [chatId],
  });
  const [row] = rows;
  if (row === undefined) return { last: null, replied: false };
  const { replied, ...last } = row;
  return { last, replied };
}

/** Copies live messages of another chat, in order, without what names the other chat's clients and attempts. */
export async function copyMessages(
  tx: WriteTx,
  chatId: string,
  fromChatId: string,
  upToMessageId: number | null,
): Promise<MessageRow[]> {
  return await tx.query<MessageRow>({
    name: "chat_messages.copy",
    text: `insert into parley.chat_messages (chat_id, role, visibility, parts, parts_version, model, reasoning_effort,
             usage, finish_reason, created_by, is_boundary, response_format, model_settings, created_at)
           select $1, role, visibility, parts, parts_version, model, reasoning_effort, usage, finish_reason, created_by,
             is_boundary, response_format, model_settings, created_at
           from parley.chat_messages
           where chat_id = $2 and not deleted and ($3::bigint is null or id <= $3) order by id
           returning ${columns}`,
    values: [chatId, fromChatId, upToMessageId],
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
