import { QueuedMessageNotFound } from "../../domain/errors.ts";
import { takeQueued } from "../../store/queue.ts";
import { refuseQueued } from "../enter-history.ts";
import { transition } from "../transition.ts";

export interface DeleteQueuedMessage {
  readonly queued_id: number;
}

export const deleteQueuedMessage = transition<DeleteQueuedMessage, void>(
  "deleteQueuedMessage",
  async (bundle, { queued_id }) => {
    bundle.queueTouched();
    if (!(await takeQueued(bundle.atSnapshot(), bundle.chatId, queued_id))) {
      throw new QueuedMessageNotFound(queued_id);
    }
  },
  { refuse: refuseQueued },
);
