import type { ChatError } from "@parley/protocol";
import type { MessageRow, NewMessage } from "../../domain/rows.ts";
import { unsteerQueue } from "../../store/queue.ts";
import { closeOpenCalls } from "../close-open-calls.ts";
import { transition } from "../transition.ts";

export interface FinishError {
  readonly error: ChatError;
  /** What had been said, for people only: the turn can be run again from what stood before it. */
  readonly partial?: readonly NewMessage[];
}

/**
 * Stops on an error that retrying did not cure. From `R*` open calls stay open, for the turn to be run again; from
 * `I*` and `A*` they are closed. Gives every message inserted.
 */
export const finishError = transition<FinishError, MessageRow[]>(
  "finishError",
  async (bundle, { error, partial = [] }) => {
    const { chatId, state } = bundle;
    const queued = state.endsWith("1");
    if (queued) bundle.queueTouched();
    const [rows] = await Promise.all([
      Promise.all(partial.map((message) => bundle.insert(message))),
      queued ? unsteerQueue(bundle.atSnapshot(), chatId) : undefined,
    ]);
    const closed = state.startsWith("R") ? null : await closeOpenCalls(bundle, "failed");
    await bundle.set({
      status: "error",
      last_error: error,
      retry_state: null,
      hold: false,
      compaction_requested_at: null,
      compact_only: false,
      requires_action_deadline_at: null,
    });
    return closed === null ? rows : [...rows, closed];
  },
);
