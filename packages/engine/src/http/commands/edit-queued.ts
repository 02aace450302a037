import type { EditQueued, QueueAnswer } from "@parley/protocol";
import { queuedOf } from "../../domain/representation.ts";
import { editQueuedMessage } from "../../machine/transitions/edit-queued-message.ts";
import { reorderQueuedMessage } from "../../machine/transitions/reorder-queued-message.ts";
import { readQueue } from "../../store/queue.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { attachFiles } from "./attach-files.ts";
import { partsOf } from "./content.ts";
import { requestKey, update, type Answer } from "./once.ts";
import type { QueuedTarget } from "./queued-target.ts";

/** Changes what a queued message says, how it comes in, and where it stands: all of it or nothing. */
export async function editQueuedCommand(
  context: HttpContext,
  caller: Caller,
  target: QueuedTarget,
  body: EditQueued,
  headerKey: string | undefined,
): Promise<Answer<QueueAnswer>> {
  const id = await context.access.require(caller, target.chatId);
  const { queuedId } = target;
  const content = body.content === undefined ? undefined : partsOf(body.content, context);
  const key = requestKey(caller, id, headerKey, ["editQueued", id, queuedId, body]);
  return await update(context.machine, id, key, "http.edit_queued", async (bundle) => {
    const { position, when_busy } = body;
    const parts = content && (await attachFiles(bundle, content, caller, context));
    if (parts !== undefined || when_busy !== undefined) {
      await editQueuedMessage(bundle, {
        queued_id: queuedId,
        ...(parts === undefined ? {} : { parts }),
        ...(when_busy === undefined ? {} : { manner: when_busy }),
      });
    }
    if (position !== undefined) {
      await reorderQueuedMessage(bundle, { queued_id: queuedId, position });
    }
    const queue = await readQueue(bundle.tx, id);
    return { status: 200, body: { queue: queue.map(queuedOf) } };
  });
}
