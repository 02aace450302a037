import type { ChatError } from "@parley/protocol";
import { throwIfCancelled, type TaskContext } from "./context.ts";
import { advance, fail, type Next } from "./advance.ts";
import { modelStep } from "./model-step.ts";
import { failedReply, latestSaid } from "./partial.ts";
import { toolStep } from "./tool-step.ts";
import { modelOf, readTranscript } from "./transcript.ts";
import { untilDatabaseTime } from "./database-time.ts";

/**
 * Drives a running chat from step to step. Every step ends in one bundle, which commits it and begins the next one or
 * ends the turn; so a turn of n steps costs n + 1 write transactions here, and the one of the API before them.
 *
 * The history is read inside the bundle that begins the first step: the decision is taken under the row lock in any
 * case, and a transaction of its own for the read would come before the first part that the user sees. Later steps
 * extend the transcript in memory; the fence proves that nobody else has changed history.
 */
export async function generation(ctx: TaskContext): Promise<void> {
  const retrying = ctx.row.retry_state?.retrying_at;
  if (retrying !== undefined)
    await untilDatabaseTime(ctx, new Date(retrying), "runner.retry_state");
  let next = await beginTurn(ctx);
  while (next.step !== "none") {
    throwIfCancelled(ctx.signal);
    // oxlint-disable-next-line no-await-in-loop
    next = await (next.step === "call_model" ? modelStep : toolStep)(ctx, next.transcript);
  }
}

async function beginTurn(ctx: TaskContext): Promise<Next> {
  if (ctx.row.takeovers >= ctx.limits.takeoversMax) return await giveUp(ctx, crashed);
  return await ctx.commit("worker.begin", async (bundle) => {
    const transcript =
      ctx.memory.transcript(bundle.chat.history_version) ??
      (await readTranscript(bundle.tx, bundle.chat));
    return await advance(ctx, bundle, transcript);
  });
}

/** Ends the turn with an error, and keeps for people what was said last. */
export async function giveUp(ctx: TaskContext, error: ChatError): Promise<Next> {
  const said = await latestSaid(ctx);
  const next = await ctx.commit("worker.fail", async (bundle) => {
    const transcript = said && (await readTranscript(bundle.tx, bundle.chat));
    const model = transcript ? modelOf(bundle.chat, transcript).model : bundle.chat.model;
    return await fail(ctx, bundle, error, said ? failedReply(said, model) : []);
  });
  ctx.observer.turnEnded(ctx.row, "error", error.kind);
  return next;
}

const crashed: ChatError = {
  kind: "crashed",
  message: "The server went down three times while it worked on this reply.",
  retryable: true,
};
