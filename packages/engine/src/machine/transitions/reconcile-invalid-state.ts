import type { MessageRow } from "../../domain/rows.ts";
import { unsteerQueue } from "../../store/queue.ts";
import { closeOpenCalls } from "../close-open-calls.ts";
import { transition } from "../transition.ts";

/** The way out of a combination that no transition makes: an error state, nothing lost. Gives the closing message. */
export const reconcileInvalidState = transition<void, MessageRow | null>(
  "reconcileInvalidState",
  async (bundle) => {
    bundle.queueTouched();
    const [closed] = await Promise.all([
      closeOpenCalls(bundle, "reconciled"),
      unsteerQueue(bundle.atSnapshot(), bundle.chatId),
    ]);
    await bundle.set({
      status: "error",
      archived: false,
      worker_id: null,
      runner_id: null,
      last_error: {
        kind: "reconciled",
        message: "The chat was in an invalid state and has been repaired. Nothing of it was lost.",
        retryable: true,
      },
      retry_state: null,
      hold: false,
      compaction_requested_at: null,
      compact_only: false,
      requires_action_deadline_at: null,
    });
    return closed;
  },
);
