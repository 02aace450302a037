import { QueuedMessageNotFound } from "../../domain/errors.ts";
import { readQueue } from "../../store/queue.ts";
import { arrangeQueue, refuseQueued } from "../enter-history.ts";
import { transition } from "../transition.ts";

export interface ReorderQueuedMessage {
  readonly queued_id: number;
  /** From 0; past the end means the end. */
  readonly position: number;
}

export const reorderQueuedMessage = transition<ReorderQueuedMessage, void>(
  "reorderQueuedMessage",
  async (bundle, { queued_id, position }) => {
    const queue = await readQueue(bundle.tx, bundle.chatId);
    const ids = queue.map((row) => row.id);
    if (!ids.includes(queued_id)) throw new QueuedMessageNotFound(queued_id);
    const rest = ids.filter((id) => id !== queued_id);
    await arrangeQueue(bundle, queue, rest.toSpliced(position, 0, queued_id));
  },
  { refuse: refuseQueued },
);
