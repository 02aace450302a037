import type { ChatAnswer } from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import type { ChatRow } from "../../domain/rows.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { InvalidRequest } from "../errors.ts";
import { decide, requestKey, type Answer } from "./once.ts";

/**
 * Has a title made in the background, once for each key. Asked by several at a time it is made once: a claim in the database
 * lasts until it is there.
 *
 * @throws InvalidRequest where the deployment leaves names to people.
 */
export async function makeTitleCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  headerKey: string | undefined,
): Promise<Answer<ChatAnswer>> {
  const id = await context.access.require(caller, chatId);
  if (!context.titles.enabled) {
    throw new InvalidRequest("This server makes no titles (PARLEY_TITLE_MODEL=off): give one.");
  }
  const key = requestKey(caller, id, headerKey, ["makeTitle", id]);
  let asked: ChatRow | null = null;
  const answer = await decide<ChatAnswer>(
    context.machine,
    id,
    key,
    "http.make_title",
    // Not async: whoever repeats a request does not get here.
    (chat) => {
      asked = chat;
      return Promise.resolve({ status: 202, body: { chat: chatOf(chat) } });
    },
  );
  if (asked !== null) context.titles.make(asked);
  return answer;
}
