import type { ChatError } from "@parley/protocol";
import { assertNever } from "../../lib/assert.ts";
import { compactionStep } from "./compaction-step.ts";
import { throwIfCancelled, type TaskContext } from "./context.ts";
import { advance, report, type Next } from "./advance.ts";
import { giveUp } from "./give-up.ts";
import { modelStep } from "./model-step.ts";
import { toolStep } from "./tool-step.ts";
import { readTranscript } from "./transcript.ts";
import { untilDatabaseTime } from "./database-time.ts";

/**
 * Drives a running chat from step to step. Every step ends in one bundle, which commits it and begins the next one or
 * ends the turn; so a turn of n steps costs n write transactions
 * here, or one more, and the one of the API before them.
 *
 * A turn whose history is known here has begun with its message: that bundle has recorded the first attempt, and the
 * model is called at once (`first-step.ts`). Else the history is read inside the bundle that begins the first step: the
 * decision is taken under the row lock in any case. Later steps extend the transcript in memory; the fence proves that
 * nobody else has changed history.
 */
export async function generation(ctx: TaskContext): Promise<void> {
  const retrying = ctx.row.retry_state?.retrying_at;
  if (retrying !== undefined)
    await untilDatabaseTime(ctx, new Date(retrying), "runner.retry_state");
  let next = await beginTurn(ctx);
  report(ctx, next);
  while (next.step !== "none") {
    throwIfCancelled(ctx.signal);
    next = await take(ctx, next);
    report(ctx, next);
  }
}

async function take(ctx: TaskContext, next: Exclude<Next, { step: "none" }>): Promise<Next> {
  switch (next.step) {
    case "call_model":
      return await modelStep(ctx, next.transcript, next.outputTokensMax);
    case "run_tools":
      return await toolStep(ctx, next.transcript, next.planned);
    case "compact":
      return await compactionStep(ctx, next.transcript, next.reason, next.outputTokensMax);
    default:
      return assertNever(next, "step");
  }
}

async function beginTurn(ctx: TaskContext): Promise<Next> {
  const begun = ctx.memory.begun(ctx.row);
  // No budget holds it: else the attempt would not be there.
  if (begun !== null) return { step: "call_model", transcript: begun, outputTokensMax: null };
  if (ctx.row.takeovers >= ctx.limits.takeoversMax) return await giveUp(ctx, crashed);
  return await ctx.commit("worker.begin", async (bundle) => {
    const transcript =
      ctx.memory.transcript(bundle.sketch.history_version) ??
      (await readTranscript(bundle.tx, bundle.sketch));
    return await advance(ctx, bundle, transcript);
  });
}

const crashed: ChatError = {
  kind: "crashed",
  message: "The server went down three times while it worked on this reply.",
  retryable: true,
};
