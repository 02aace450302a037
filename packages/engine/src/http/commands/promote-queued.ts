import type { ChatQueueAnswer } from "@parley/protocol";
import { promoteQueuedMessage } from "../../machine/transitions/promote-queued-message.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { requestKey, update, type Answer } from "./once.ts";
import { chatAndQueue, type QueuedTarget } from "./queued-target.ts";

export async function promoteQueuedCommand(
  context: HttpContext,
  caller: Caller,
  target: QueuedTarget,
  headerKey: string | undefined,
): Promise<Answer<ChatQueueAnswer>> {
  const id = await context.access.require(caller, target.chatId);
  const { queuedId } = target;
  const key = requestKey(caller, id, headerKey, ["promoteQueued", id, queuedId]);
  return await update(context.machine, id, key, "http.promote_queued", async (bundle) => {
    await promoteQueuedMessage(bundle, { queued_id: queuedId });
    return await chatAndQueue(bundle);
  });
}
