import type { MessageRow } from "../domain/rows.ts";
import type { Sql } from "../postgres/sql.ts";

type Reader = Pick<Sql, "query">;

/**
 * What was kept of the reply that an interruption ended: the first such message that was committed after the snapshot,
 * and before anything that a user says next. Undefined where nothing had been said.
 */
export async function readKeptPartial(
  sql: Reader,
  chatId: string,
  afterSnapshot: number,
): Promise<MessageRow | undefined> {
  const [row] = await sql.query<MessageRow>({
    name: "chat_messages.kept_partial",
    text: `select m.* from parley.chat_messages m
           where m.chat_id = $1 and m.revision > $2 and not m.deleted and m.finish_reason = 'interrupted'
             and not exists (
               select from parley.chat_messages u
               where u.chat_id = $1 and u.revision > $2 and u.revision <= m.revision and u.id < m.id
                 and u.role = 'user' and u.visibility <> 'model' and not u.deleted)
           order by m.revision, m.id limit 1`,
    values: [chatId, afterSnapshot],
  });
  return row;
}

/** What was kept of the turn that this message started, where it is the chat's newest turn and was interrupted. */
export async function readLastPartial(
  sql: Reader,
  chatId: string,
  turnMessageId: number,
): Promise<MessageRow | undefined> {
  const [row] = await sql.query<MessageRow>({
    name: "chat_messages.last_partial",
    text: `select * from parley.chat_messages
           where chat_id = $1 and id > $2 and not deleted and finish_reason = 'interrupted'
           order by id desc limit 1`,
    values: [chatId, turnMessageId],
  });
  return row;
}

/** The messages that answer any of these calls, in order. */
export async function readAnswersTo(
  sql: Reader,
  chatId: string,
  toolCallIds: readonly string[],
): Promise<MessageRow[]> {
  return await sql.query<MessageRow>({
    name: "chat_messages.answers_to",
    text: `select * from parley.chat_messages
           where chat_id = $1 and not deleted and role = 'tool' and tool_result_ids && $2::text[] order by id`,
    values: [chatId, toolCallIds],
  });
}
