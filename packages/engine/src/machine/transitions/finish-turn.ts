import { TransitionRejected } from "../../domain/errors.ts";
import type { MessageRow, TrackedCall } from "../../domain/rows.ts";
import { readTrackedCalls } from "../../store/executions.ts";
import { closeCalls } from "../close-open-calls.ts";
import { promote, readQueueAndCalls } from "../enter-history.ts";
import { transition } from "../transition.ts";

const cleared = { compaction_requested_at: null, compact_only: false } as const;

/** Calls of active history that are open still, where the caller knows them; else they are read. */
export type KnownCalls = readonly TrackedCall[] | void;

/**
 * The turn is over: idle, or on to the head of the queue. A call that is open still will not be run, and is told so.
 * Rejected while a steering message is queued: it has been promised this turn. Gives every message inserted.
 */
export const finishTurn = transition<KnownCalls, MessageRow[]>(
  "finishTurn",
  async (bundle, known) => {
    const { tx, chatId } = bundle;
    if (bundle.state === "R0") {
      const calls = known ?? (await readTrackedCalls(tx, chatId));
      const closed = await closeCalls(bundle, calls, "not_run");
      bundle.plan({ ...cleared, status: "waiting" });
      return closed === null ? [] : [closed];
    }
    const [queue, calls] = await readQueueAndCalls(bundle);
    const [head] = queue;
    if (head === undefined || queue.some((queued) => queued.manner === "steer")) {
      throw new TransitionRejected("finishTurn", "R1", "a steering message is queued");
    }
    const { entered, messages } = await promote(bundle, head, calls, "not_run");
    await bundle.set({ ...cleared, status: "running", turn_message_id: entered.id });
    return messages;
  },
);
