import type { ChatAnswer } from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { InvalidRequest } from "../errors.ts";
import type { Answer } from "./once.ts";

/**
 * Has a title made in the background. Asked twice it is made once: a claim in the database lasts until it is there.
 *
 * @throws InvalidRequest where the deployment leaves names to people.
 */
export async function makeTitleCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
): Promise<Answer<ChatAnswer>> {
  const chat = await context.access.read(caller, chatId);
  if (!context.titles.enabled) {
    throw new InvalidRequest("This server makes no titles (PARLEY_TITLE_MODEL=off): give one.");
  }
  context.titles.make(chat);
  return { status: 202, body: { chat: chatOf(chat) } };
}
