import type { MessageRow } from "../../domain/rows.ts";
import { tokensAtStart, tokensInUse } from "./tokens.ts";
import { hasReplies } from "./unanswered.ts";

/**
 * A context that is large already when it begins (a long system prompt, many tools, a summary that did not get short)
 * is compacted again only when it has grown by this share of the window since: else every step would be followed by a
 * compaction that helps nothing.
 */
const growthShareMin = 0.2;

/** Whether the context has to be compacted before the model is called with it. */
export function isCompactionDue(
  context: readonly Pick<
    MessageRow,
    "role" | "parts" | "usage" | "is_boundary" | "finish_reason"
  >[],
  windowTokens: number,
  percent: number,
): boolean {
  if (windowTokens <= 0 || percent <= 0 || !hasReplies(context)) return false;
  const share = percent / 100;
  const used = tokensInUse(context);
  if (used < windowTokens * share) return false;
  return used - tokensAtStart(context) >= windowTokens * Math.min(growthShareMin, share / 2);
}
