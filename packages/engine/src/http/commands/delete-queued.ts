import type { ChatQueueAnswer } from "@parley/protocol";
import { deleteQueuedMessage } from "../../machine/transitions/delete-queued-message.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { requestKey, update, type Answer } from "./once.ts";
import { chatAndQueue, type QueuedTarget } from "./queued-target.ts";

export async function deleteQueuedCommand(
  context: HttpContext,
  caller: Caller,
  target: QueuedTarget,
  headerKey: string | undefined,
): Promise<Answer<ChatQueueAnswer>> {
  const id = await context.access.require(caller, target.chatId);
  const { queuedId } = target;
  const key = requestKey(caller, id, headerKey, ["deleteQueued", id, queuedId]);
  return await update(context.machine, id, key, "http.delete_queued", async (bundle) => {
    await deleteQueuedMessage(bundle, { queued_id: queuedId });
    return await chatAndQueue(bundle);
  });
}
