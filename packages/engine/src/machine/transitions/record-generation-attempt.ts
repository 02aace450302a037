import type { SpendAnswer } from "../../domain/spending.ts";
import type { Wish } from "../../store/spending.ts";
import { transition } from "../transition.ts";

export interface Attempt {
  /** Counts within the history version. */
  readonly attempt: number;
  /** What became of the wish; null where there was none, or where no budget applies. */
  readonly spend: SpendAnswer;
}

/**
 * Names a new episode, before every step. With a wish, for a model call: holds the call to its budgets and reserves its
 * worst case, in the same statement. Where they have no room for it the attempt is named all the same, and nothing else
 * may follow in the bundle than the end of the turn.
 */
export const recordGenerationAttempt = transition<Wish | void, Attempt>(
  "recordGenerationAttempt",
  async (bundle, wish) => {
    const next = { generation_attempt: "next" } as const;
    if (!wish) return { attempt: (await bundle.set(next)).generation_attempt, spend: null };
    const { chat, spend } = await bundle.setReserving(next, wish);
    return { attempt: chat.generation_attempt, spend };
  },
);
