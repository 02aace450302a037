import type { ListMessagesAnswer, ListMessagesQuery } from "@parley/protocol";
import { ChatNotFound } from "../../domain/errors.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { messageOf, queuedOf } from "../../domain/representation.ts";
import type { ReadTx } from "../../postgres/sql.ts";
import { readChat } from "../../store/chats.ts";
import { readAfter, readNewest } from "../../store/messages.ts";
import { readQueue } from "../../store/queue.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { InvalidRequest } from "../errors.ts";

/**
 * A page of the history, oldest first, and the whole queue, in one snapshot. Without `before` and `after` it is the
 * newest page; `has_more` says whether the history goes on in the direction that was asked for.
 */
export async function listMessagesCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  query: ListMessagesQuery,
): Promise<ListMessagesAnswer> {
  if (query.before !== undefined && query.after !== undefined) {
    throw new InvalidRequest("Ask for messages before one or after one, not both.");
  }
  const id = await context.access.require(caller, chatId);
  const { pageMessagesMax } = context.limits;
  const limit = Math.min(query.limit ?? pageMessagesMax, pageMessagesMax);
  return await context.machine.read(async (tx) => {
    const [chat, rows, queue] = await Promise.all([
      readChat(tx, id),
      readPage(tx, id, limit + 1, query),
      readQueue(tx, id),
    ]);
    if (chat === undefined) throw new ChatNotFound(chatId);
    const page = rows.slice(0, limit);
    if (query.after === undefined) page.reverse();
    return {
      messages: page.map(messageOf),
      queue: queue.map(queuedOf),
      has_more: rows.length > limit,
    };
  }, "http.list_messages");
}

async function readPage(
  tx: ReadTx,
  chatId: string,
  limit: number,
  { before, after }: ListMessagesQuery,
): Promise<MessageRow[]> {
  return after === undefined
    ? await readNewest(tx, chatId, limit, before ?? null)
    : await readAfter(tx, chatId, limit, after);
}
