import type { CreateChatAnswer } from "@parley/protocol";
import { chatOf, messagesOf } from "../../domain/representation.ts";
import { clearContext } from "../../machine/transitions/clear-context.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { requestKey, update, type Answer } from "./once.ts";

/** The model begins anew from here; the transcript stays. Answers with what people see of it. */
export async function clearContextCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  headerKey: string | undefined,
): Promise<Answer<CreateChatAnswer>> {
  const id = await context.access.require(caller, chatId);
  const key = requestKey(caller, id, headerKey, ["clearContext", id]);
  return await update(context.machine, id, key, "http.clear_context", async (bundle) => {
    const messages = await clearContext(bundle);
    await bundle.refresh();
    return {
      status: 200,
      body: { chat: chatOf(bundle.chat), messages: messagesOf(messages) },
    };
  });
}
