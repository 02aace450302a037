import { QueuedMessageNotFound } from "../../domain/errors.ts";
import type { MessageRow, QueueRow } from "../../domain/rows.ts";
import { updateQueued } from "../../store/queue.ts";
import type { Bundle } from "../bundle.ts";
import { arrangeQueue, promote, readQueueAndCalls } from "../enter-history.ts";
import { refuseQueued } from "../enter-history.ts";
import { transition } from "../transition.ts";
import { interruptDescendants } from "./interrupt.ts";

export interface PromoteQueuedMessage {
  readonly queued_id: number;
}

/**
 * Brings a queued message to its turn: at once where nothing runs, after an interruption where something does. Gives
 * what entered history by it, in order.
 */
export const promoteQueuedMessage = transition<PromoteQueuedMessage, MessageRow[]>(
  "promoteQueuedMessage",
  async (bundle, { queued_id }) => {
    const [queue, calls] = await readQueueAndCalls(bundle);
    const queued = queue.find((row) => row.id === queued_id);
    if (queued === undefined) throw new QueuedMessageNotFound(queued_id);
    if (bundle.state === "R1" || bundle.state === "I1") {
      await moveToHead(bundle, queue, queued);
      await Promise.all([
        bundle.set({ status: "interrupting", hold: false }),
        interruptDescendants(bundle.transaction, bundle.chatId),
      ]);
      return [];
    }
    const { entered, messages } = await promote(bundle, queued, calls, "cancelled");
    await bundle.set({
      status: "running",
      last_error: null,
      requires_action_deadline_at: null,
      turn_message_id: entered.id,
    });
    return messages;
  },
  { refuse: refuseQueued },
);

/** It now interrupts, so that a later interruption by another message comes behind it. */
async function moveToHead(bundle: Bundle, queue: QueueRow[], queued: QueueRow): Promise<void> {
  const { chatId } = bundle;
  const rest = queue.filter((row) => row !== queued).map((row) => row.id);
  bundle.queueTouched();
  await Promise.all([
    arrangeQueue(bundle, queue, [queued.id, ...rest]),
    updateQueued(bundle.atSnapshot(), chatId, queued.id, null, "interrupt"),
  ]);
}
