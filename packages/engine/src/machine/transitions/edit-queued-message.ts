import { QueuedMessageNotFound } from "../../domain/errors.ts";
import type { QueueRow } from "../../domain/rows.ts";
import { readQueue, updateQueued } from "../../store/queue.ts";
import { refuseQueued } from "../enter-history.ts";
import { transition } from "../transition.ts";

export interface EditQueuedMessage {
  readonly queued_id: number;
  readonly parts?: QueueRow["parts"];
  readonly manner?: "queue" | "steer";
}

export const editQueuedMessage = transition<EditQueuedMessage, void>(
  "editQueuedMessage",
  async (bundle, { queued_id, parts, manner }) => {
    const { tx, chatId } = bundle;
    const queue = await readQueue(tx, chatId);
    if (!queue.some((row) => row.id === queued_id)) throw new QueuedMessageNotFound(queued_id);
    bundle.queueTouched();
    await updateQueued(bundle.atSnapshot(), chatId, queued_id, parts ?? null, manner ?? null);
  },
  { refuse: refuseQueued },
);
