import type { ErrorKind, LivePart } from "@parley/protocol";
import type { MessageRow } from "../../domain/rows.ts";
import { commitStep } from "../../machine/transitions/commit-step.ts";
import { recordRetryState } from "../../machine/transitions/record-retry-state.ts";
import { ModelError } from "../../models/model-port.ts";
import { modelAfter, switchMs } from "../../models/fallback.ts";
import { decideRetry } from "../../models/retry-policy.ts";
import type { EpisodeKey } from "../../parts/ports.ts";
import {
  boundaryMessages,
  compactionCallId,
  compactionTool,
  type CompactionReason,
  type Summary,
} from "../compaction/boundary.ts";
import { carriedInto } from "../compaction/mark.ts";
import { compactionRequest, halvingsMax } from "../compaction/request.ts";
import { unanswered } from "../compaction/unanswered.ts";
import { episodeOf } from "../ports.ts";
import { askedOf } from "../structured/asked.ts";
import { advance, grown, type Next } from "./advance.ts";
import { Cancelled, throwIfCancelled, type TaskContext } from "./context.ts";
import { giveUp } from "./give-up.ts";
import { chargedUsage, upTo } from "./spending.ts";
import { calledModel, replyModels, triesOf } from "./routing.ts";
import { stepsOf, type Transcript } from "./transcript.ts";

/** People are told how far the summary is at most this often. */
const progressMs = 1_000;

/**
 * Summarises the context with one model call, in the attempt that the row names, and commits the boundary. The call
 * appends nothing to its episode but progress: what is interrupted leaves nothing.
 */
export async function compactionStep(
  ctx: TaskContext,
  transcript: Transcript,
  reason: CompactionReason,
  outputTokensMax: number | null,
): Promise<Next> {
  const key = episodeOf(ctx.row);
  const startedAt = ctx.clock.monotonic();
  ctx.observer.stepStarted(ctx.row, "compaction");
  let summary: Summary;
  try {
    summary = await summarise(ctx, transcript, key, reason, outputTokensMax);
  } catch (error) {
    throwIfCancelled(ctx.signal);
    if (!(error instanceof ModelError)) throw error;
    return await failed(ctx, transcript, key, reason, error);
  } finally {
    ctx.observer.stepEnded(ctx.row, "compaction", ctx.clock.monotonic() - startedAt);
  }
  throwIfCancelled(ctx.signal);
  return await ctx.commit("worker.step", async (bundle) => {
    // Asked for between turns, it is all there is to do: nobody waits for an answer.
    const { turn_message_id } = ctx.row;
    const replayed = bundle.flags.compact_only
      ? []
      : unanswered(transcript.context).map((message) => ofTurn(message, turn_message_id));
    const { recoveries } = carriedInto(transcript.context);
    const messages = boundaryMessages(key, reason, summary, replayed, {
      steps: bundle.flags.compact_only ? 0 : stepsOf(transcript),
      recoveries: recoveries + (reason === "overflow" ? 1 : 0),
      repairs: askedOf(transcript.context, turn_message_id)?.repairs ?? 0,
    });
    await commitStep(bundle, { messages });
    return await advance(ctx, bundle, grown(bundle, transcript, []));
  });
}

/** A copy is younger than the turn that it is replayed in: what an older turn was asked for must not become its own. */
function ofTurn(message: MessageRow, turnMessageId: number | null): MessageRow {
  return message.id >= (turnMessageId ?? 0) ? message : { ...message, response_format: null };
}

async function summarise(
  ctx: TaskContext,
  { context }: Transcript,
  key: EpisodeKey,
  reason: CompactionReason,
  outputTokensMax: number | null,
): Promise<Summary> {
  const model = calledModel(ctx.row, { context });
  const window = ctx.models.info(model)?.context_window_tokens ?? null;
  const writer = ctx.parts.open(key, ctx.runnerId);
  const onPart = progressTo(ctx, key, reason, (live) => writer.append(live));
  try {
    for (let halvings = 0; ; halvings++) {
      const request = compactionRequest(context, model, window, halvings, ctx.signal);
      try {
        // One try after the other: each has half of what the one before it had.
        // oxlint-disable-next-line no-await-in-loop
        const bounded = { ...request, ...upTo(outputTokensMax) };
        const reply = await ctx.models.stream(bounded, onPart);
        const text = reply.parts
          .flatMap((part) => (part.type === "text" ? [part.text] : []))
          .join("\n");
        if (text.trim() === "") throw emptySummary(model);
        const usage = chargedUsage(ctx, { context }, reply.model, reply.usage, reply.parts);
        return { text, model: reply.model, usage };
      } catch (error) {
        const tooLong = error instanceof ModelError && error.kind === "context_overflow";
        if (!tooLong || halvings >= halvingsMax || ctx.signal.aborted) throw error;
      }
    }
  } finally {
    writer.close();
  }
}

/** Turns what the summary grows by into progress, at once and then at most once a second. */
function progressTo(
  ctx: TaskContext,
  key: EpisodeKey,
  reason: CompactionReason,
  append: (live: LivePart) => void,
): (live: LivePart) => void {
  let chars = 0;
  let told = ctx.clock.monotonic();
  const tell = (): void => {
    const progress = { tool_name: compactionTool, state: "running", reason, chars };
    append({ type: "tool-progress", tool_call_id: compactionCallId(key), progress });
  };
  tell();
  return (live) => {
    if (ctx.signal.aborted) return;
    if (live.type === "text" && "delta" in live) chars += live.delta.length;
    if (ctx.clock.monotonic() - told < progressMs) return;
    told = ctx.clock.monotonic();
    tell();
  };
}

/** Tries again by the same rules as any model call. Where that is no use: the turn goes on without it, if it can. */
async function failed(
  ctx: TaskContext,
  transcript: Transcript,
  key: EpisodeKey,
  reason: CompactionReason,
  error: ModelError,
): Promise<Next> {
  const { kind, provider, status_code, retryable } = error;
  const about = {
    kind,
    message: `The conversation could not be compacted: ${error.message}`,
    ...(provider === undefined ? {} : { provider }),
    ...(status_code === undefined ? {} : { status_code }),
  };
  const attempt = key.generation_attempt;
  const model = calledModel(ctx.row, transcript);
  const given = decideRetry(attempt, error, ctx.random, ctx.limits.retry);
  const other = otherSummariser(ctx, transcript, kind, given.retry);
  const decision = other === null ? given : ({ retry: true, delayMs: switchMs } as const);
  const again = reason === "overflow" ? ({ compact: "overflow" } as const) : {};
  if (decision.retry) {
    await ctx.commit("worker.retry", async (bundle) => {
      await recordRetryState(bundle, {
        ...about,
        attempt,
        delay_ms: decision.delayMs,
        model,
        next_model: other ?? model,
      });
    });
    ctx.observer.retry({ ...ctx.row, model }, kind, decision.delayMs);
    await ctx.clock.sleep(decision.delayMs, "runner.model_retry", ctx.signal);
    if (ctx.signal.aborted) throw new Cancelled("cancelled during the back-off");
    return await begin(ctx, transcript, again);
  }
  if (reason !== "automatic") return await giveUp(ctx, { ...about, retryable });
  // There is room left still: a reply is worth more than a tidy context.
  ctx.logger.warn({ err: error, chat_id: ctx.chatId }, "a chat could not be compacted");
  return await begin(ctx, transcript, { compact: "not_now" });
}

/**
 * Who tries the summary next, where that is not the same again; null: nobody else. What is configured for summaries gives
 * over to the model of the turn, once; that one, where its provider is down, to those that stand in for it. None of them
 * has a second turn.
 */
function otherSummariser(
  { row, models, compaction, limits }: TaskContext,
  transcript: Transcript,
  kind: ErrorKind,
  mayRetry: boolean,
): string | null {
  const { attemptsMax, fallbackAttempts } = limits.retry;
  if (row.generation_attempt >= attemptsMax) return null;
  const model = calledModel(row, transcript);
  const tries = triesOf(row, transcript);
  const chain = replyModels({ models, compaction }, row, transcript);
  if (model === compaction.model && model !== chain[0]) {
    return !mayRetry || tries >= fallbackAttempts ? (chain[0] ?? null) : null;
  }
  const next = modelAfter({ model, kind, tries }, chain, fallbackAttempts);
  return next?.atOnce === true ? next.model : null;
}

async function begin(
  ctx: TaskContext,
  transcript: Transcript,
  how: { readonly compact?: "overflow" | "not_now" },
): Promise<Next> {
  return await ctx.commit(
    "worker.begin",
    async (bundle) => await advance(ctx, bundle, transcript, false, how),
  );
}

function emptySummary(model: string): ModelError {
  const [provider = ""] = model.split("/");
  const message = "The model ended its summary without saying anything.";
  return new ModelError({ kind: "empty_response", message, retryable: true, provider });
}
