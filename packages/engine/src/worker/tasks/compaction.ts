import type { CompactionReason } from "../compaction/boundary.ts";
import { isCompactionDue } from "../compaction/due.ts";
import type { TaskContext } from "./context.ts";
import type { Transcript } from "./transcript.ts";

/** What a step that has just failed knows better than the history. */
export interface CompactionWish {
  /** `overflow`: the provider refused the context as too long. `not_now`: it could not be compacted, go on without. */
  readonly compact?: "overflow" | "not_now";
}

/** Why the context is to be compacted before this model is called with it; null: it is not. */
export function compactionBefore(
  ctx: Pick<TaskContext, "models" | "compaction">,
  { context }: Pick<Transcript, "context">,
  model: string,
  { compact }: CompactionWish,
): CompactionReason | null {
  if (compact !== undefined) return compact === "overflow" ? "overflow" : null;
  const { percent, windowTokensDefault } = ctx.compaction;
  const window = ctx.models.info(model)?.context_window_tokens ?? windowTokensDefault;
  return isCompactionDue(context, window, percent) ? "automatic" : null;
}
