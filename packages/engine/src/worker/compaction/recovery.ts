import type { MessageRow } from "../../domain/rows.ts";
import { carriedInto, markOf } from "./mark.ts";
import { hasReplies } from "./unanswered.ts";

/** How often one turn is compacted because its context had overflowed: what fills it anew each time will go on so. */
export const recoveriesMax = 3;

export type Recovery =
  | { readonly possible: true }
  /** What the user is told; null: what the provider said. */
  | { readonly possible: false; readonly message: string | null };

/** Whether a context that a provider refuses as too long is worth being compacted, and the model called again. */
export function recoveryOf(
  context: readonly Pick<
    MessageRow,
    "is_boundary" | "parts" | "role" | "visibility" | "finish_reason"
  >[],
  percent: number,
): Recovery {
  if (!hasReplies(context)) {
    return { possible: false, message: markOf(context) === null ? null : stillTooLong };
  }
  if (percent <= 0) return { possible: false, message: null };
  const { recoveries } = carriedInto(context);
  if (recoveries >= recoveriesMax) return { possible: false, message: tooOften };
  return { possible: true };
}

const stillTooLong =
  "The conversation does not fit into the model's context, and it has just been compacted. " +
  "Shorten the last message, take a model with a larger context, or clear the context.";

const tooOften = `The model's context overflowed again after it had been compacted ${recoveriesMax} times in this turn. Send a message to go on.`;
