import { ChatNotFound } from "../../domain/errors.ts";
import { deleteChat } from "../../machine/transitions/delete-chat.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { isUuid } from "../uuid.ts";
import { answeredBefore, requestKey, update, type Answer } from "./once.ts";

/** Deletes a chat and its descendants. */
export async function deleteChatCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  headerKey: string | undefined,
): Promise<Answer<null>> {
  const scope = chatId.toLowerCase();
  const key = requestKey(caller, scope, headerKey, ["deleteChat", scope]);
  try {
    const id = await context.access.require(caller, chatId);
    return await update(context.machine, id, key, "http.delete_chat", async (bundle) => {
      await deleteChat(bundle);
      return { status: 204, body: null };
    });
  } catch (error) {
    // A repeat finds the chat gone, by its own doing.
    if (!(error instanceof ChatNotFound) || !isUuid(scope)) throw error;
    const answer = await answeredBefore<null>(context.machine, key);
    if (answer === undefined) throw error;
    return answer;
  }
}
