import { QueuedMessageNotFound } from "../../domain/errors.ts";
import { rankQueue, readQueue } from "../../store/queue.ts";
import { refuseQueued } from "../enter-history.ts";
import { transition } from "../transition.ts";

export interface ReorderQueuedMessage {
  readonly queued_id: number;
  /** From 0; past the end means the end. */
  readonly position: number;
}

export const reorderQueuedMessage = transition<ReorderQueuedMessage, void>(
  "reorderQueuedMessage",
  async (bundle, { queued_id, position }) => {
    const { tx, chatId } = bundle;
    const ids = (await readQueue(tx, chatId)).map((row) => row.id);
    if (!ids.includes(queued_id)) throw new QueuedMessageNotFound(queued_id);
    const rest = ids.filter((id) => id !== queued_id);
    bundle.queueTouched();
    await rankQueue(tx, chatId, rest.toSpliced(position, 0, queued_id));
  },
  { refuse: refuseQueued },
);
