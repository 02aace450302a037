import { TransitionRejected } from "../../domain/errors.ts";
import type { MessageRow, NewMessage } from "../../domain/rows.ts";
import { abandonExecutions } from "../../store/executions.ts";
import { unsteerQueue } from "../../store/queue.ts";
import type { Bundle } from "../bundle.ts";
import { promote, readQueueAndCalls } from "../enter-history.ts";
import { transition } from "../transition.ts";

export interface FinishInterruption {
  /** What was said until then, with a result for every open call. */
  readonly partial: readonly NewMessage[];
}

/** What leaving `I*` clears, wherever it leads. */
const cleared = {
  hold: false,
  retry_state: null,
  compaction_requested_at: null,
  compact_only: false,
} as const;

/** Keeps what was said; then the queue's head is next, unless the queue is held. Gives every message inserted. */
export const finishInterruption = transition<FinishInterruption, MessageRow[]>(
  "finishInterruption",
  async (bundle, { partial }) => {
    const { chatId, state } = bundle;
    const { hold } = bundle.flags;
    const rows = await Promise.all(partial.map((message) => bundle.insert(message)));
    const [[queue, open]] = await Promise.all([
      readQueueAndCalls(bundle),
      abandonExecutions(bundle.tx, chatId, 0, "unknown"),
    ]);
    if (open.length > 0) {
      throw new TransitionRejected("finishInterruption", state, "a tool call has no result yet");
    }
    const [head] = queue;
    if (head === undefined) {
      await bundle.set({ ...cleared, status: "waiting" });
      return rows;
    }
    const unsteered = queue.some((queued) => queued.manner === "steer") ? unsteer(bundle) : null;
    if (hold) {
      await unsteered;
      await bundle.set({ ...cleared, status: "error", last_error: stopped });
      return rows;
    }
    const [{ entered, messages }] = await Promise.all([
      promote(bundle, head, [], "interrupted"),
      unsteered,
    ]);
    await bundle.set({ ...cleared, status: "running", turn_message_id: entered.id });
    return [...rows, ...messages];
  },
  { variantOf: (_input, bundle) => (bundle.flags.hold ? "hold" : undefined) },
);

async function unsteer(bundle: Bundle): Promise<void> {
  bundle.queueTouched();
  await unsteerQueue(bundle.atSnapshot(), bundle.chatId);
}

const stopped = {
  kind: "stopped",
  message: "Paused. The queue waits until you send or promote a message.",
  retryable: false,
} as const;
