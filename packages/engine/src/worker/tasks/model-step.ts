import type { FinishReason, LivePart } from "@parley/protocol";
import { closingMessage } from "../../domain/closing.ts";
import type { NewMessage } from "../../domain/rows.ts";
import { commitStep } from "../../machine/transitions/commit-step.ts";
import { recordRetryState } from "../../machine/transitions/record-retry-state.ts";
import { ModelError, type ModelReply, type ReadyCall } from "../../models/model-port.ts";
import { modelAfter, switchMs } from "../../models/fallback.ts";
import { decideRetry } from "../../models/retry-policy.ts";
import type { EpisodeKey } from "../../parts/ports.ts";
import { recoveryOf } from "../compaction/recovery.ts";
import { readTrackedCalls } from "../../store/executions.ts";
import { withFiles } from "../files/prompt-files.ts";
import { episodeOf } from "../ports.ts";
import { askedOf } from "../structured/asked.ts";
import { isLastWord, judge } from "../structured/judge.ts";
import { checkPatiently } from "../structured/patient-check.ts";
import { repairNote } from "../structured/repair.ts";
import type { ChatTools } from "../chat-tools.ts";
import { advance, grown, type Next } from "./advance.ts";
import { noteOutages, readyTools, toolsIn } from "./chat-tools.ts";
import { Cancelled, throwIfCancelled, type TaskContext } from "./context.ts";
import { giveUp } from "./give-up.ts";
import { patiently } from "./patiently.ts";
import { episodeName, openCallsOf } from "./partial.ts";
import { chargedUsage, upTo } from "./spending.ts";
import { timeLimitReached, TimeIsUp, withinTurn } from "./turn-time.ts";
import { promptOf } from "./prompt.ts";
import { requestOf } from "./request.ts";
import { executionOf } from "./tool-plan.ts";
import { calledModel, replyModels, triesOf } from "./routing.ts";
import type { Transcript } from "./transcript.ts";

/** One model call, in the attempt that the row names: streams it, then commits it or what became of it. */
export async function modelStep(
  ctx: TaskContext,
  transcript: Transcript,
  outputTokensMax: number | null,
): Promise<Next> {
  const key = episodeOf(ctx.row);
  const startedAt = ctx.clock.monotonic();
  ctx.observer.stepStarted(ctx.row, "model");
  let reply: ModelReply;
  try {
    reply = await call(ctx, transcript, key, outputTokensMax, startedAt);
  } catch (error) {
    throwIfCancelled(ctx.signal);
    if (error instanceof TimeIsUp) return await giveUp(ctx, timeLimitReached(ctx.limits));
    if (!(error instanceof ModelError)) throw error;
    return await failedAttempt(ctx, transcript, key, error);
  }
  throwIfCancelled(ctx.signal);
  const next = await commitReply(ctx, transcript, key, reply);
  ctx.observer.stepEnded(ctx.row, "model", ctx.clock.monotonic() - startedAt);
  return next;
}

async function call(
  ctx: TaskContext,
  transcript: Transcript,
  key: EpisodeKey,
  outputTokensMax: number | null,
  startedAt: number,
): Promise<ModelReply> {
  const tools = await readyTools(ctx);
  const model = calledModel(ctx.row, transcript);
  if (!ctx.models.has(model)) throw modelMissing(model);
  const ready = ctx.memory.takeCall() ?? (await callOf(ctx, transcript, tools, outputTokensMax));
  const writer = ctx.parts.open(key, ctx.runnerId);
  const listen = ctx.memory.listen(key);
  let spoke = false;
  const onPart = (live: LivePart): void => {
    // What comes after the stop belongs to nothing: the partial has been taken already.
    if (ctx.signal.aborted) return;
    if (!spoke) ctx.observer.firstPart(ctx.row, ctx.clock.monotonic() - startedAt);
    spoke = true;
    writer.append(live);
    listen(live);
  };
  try {
    const reply = await withinTurn(ctx, async (signal) => await ready.stream(signal, onPart));
    if (reply.parts.length === 0) throw withoutParts(model, reply.finish_reason);
    return await judged(ctx, transcript, reply, onPart);
  } finally {
    writer.close();
  }
}

/** The call of an attempt that was not made ready beforehand. */
async function callOf(
  ctx: TaskContext,
  transcript: Transcript,
  tools: ChatTools,
  outputTokensMax: number | null,
): Promise<Pick<ReadyCall, "stream">> {
  const request = { ...requestOf(ctx.row, transcript, tools), ...upTo(outputTokensMax) };
  request.messages = await withFiles(ctx, promptOf(transcript.context));
  return {
    stream: async (signal, onPart) => await ctx.models.stream({ ...request, signal }, onPart),
  };
}

/** A reply that ends its turn says itself whether it is what was asked for: as its last part, live and committed. */
async function judged(
  ctx: TaskContext,
  { context }: Transcript,
  reply: ModelReply,
  onPart: (live: LivePart) => void,
): Promise<ModelReply> {
  const asked = askedOf(context, ctx.row.turn_message_id);
  if (asked === null || !isLastWord(reply)) return reply;
  const part = await judge(asked, reply, {
    check: async (schema, value) => await checkPatiently(ctx, schema, value),
  });
  onPart({ ...part, index: reply.parts.length });
  return { ...reply, parts: [...reply.parts, part] };
}

/** Commits the reply, and in the same bundle begins the next step or ends the turn. */
async function commitReply(
  ctx: TaskContext,
  transcript: Transcript,
  key: EpisodeKey,
  reply: ModelReply,
): Promise<Next> {
  const calls = openCallsOf(reply.parts);
  // The provider stopped in the middle: what it had asked for may be half of what it wanted.
  const cutOff = reply.finish_reason === "length" || reply.finish_reason === "content_filter";
  const message: NewMessage = {
    role: "assistant",
    parts: reply.parts,
    model: reply.model,
    usage: chargedUsage(ctx, transcript, reply.model, reply.usage, reply.parts),
    finish_reason: reply.finish_reason,
    episode: episodeName(key),
  };
  const notRun = cutOff
    ? closingMessage(
        calls.map((part, ordinal) => ({
          ...part,
          message_id: 0,
          ordinal,
          execution: null,
          expired: false,
        })),
        "not_run",
      )
    : null;
  const repair = repairOf(reply);
  return await ctx.commit("worker.step", async (bundle) => {
    const { client_tools } = bundle.sketch;
    const tools = await toolsIn(ctx, bundle);
    await noteOutages(ctx, bundle, tools);
    const executions = cutOff
      ? []
      : calls.map((part, ordinal) =>
          // Nobody outside is asked for a call that is one too many.
          ordinal < ctx.limits.stepToolCallsMax
            ? executionOf(part, client_tools, (name) => tools.get(name), ctx.limits)
            : executionOf(part, [], () => undefined, ctx.limits),
        );
    const messages = [message, ...(notRun ? [notRun] : []), ...(repair ? [repair] : [])];
    await commitStep(bundle, { messages, executions });
    const open = executions.length > 0 ? await readTrackedCalls(bundle.tx, ctx.chatId) : [];
    return await advance(ctx, bundle, grown(bundle, transcript, open), cutOff);
  });
}

/** Announces the next try and waits for it, or ends the turn. */
async function failedAttempt(
  ctx: TaskContext,
  transcript: Transcript,
  key: EpisodeKey,
  error: ModelError,
): Promise<Next> {
  const { kind, message, provider, status_code, retryable } = error;
  const about = {
    kind,
    message,
    ...(provider === undefined ? {} : { provider }),
    ...(status_code === undefined ? {} : { status_code }),
  };
  const model = calledModel(ctx.row, transcript);
  const chain = replyModels(ctx, ctx.row, transcript);
  const { retry } = ctx.limits;
  const failed = { model, kind, tries: triesOf(ctx.row, transcript) };
  const other = modelAfter(failed, chain, retry.fallbackAttempts);
  if (kind === "context_overflow" && other === null) {
    const recovery = recoveryOf(transcript.context, ctx.compaction.percent);
    if (recovery.possible) return await compactAndGoOn(ctx, transcript);
    const told = recovery.message ?? message;
    return await giveUp(ctx, { ...about, message: told, retryable });
  }
  const attempt = key.generation_attempt;
  const decision = decideRetry(
    attempt,
    other === null ? error : { kind, retryable: true },
    ctx.random,
    retry,
  );
  if (!decision.retry) return await giveUp(ctx, { ...about, retryable });
  // What the failed attempt said is shown, and kept, until the next one has said something: it must survive this replica.
  await patiently(ctx, "worker.checkpoint", async () => await ctx.checkpoints.flushEpisode(key));
  const delayMs = other?.atOnce === true ? switchMs : decision.delayMs;
  await ctx.commit("worker.retry", async (bundle) => {
    await recordRetryState(bundle, {
      ...about,
      attempt,
      delay_ms: delayMs,
      model,
      ...(chain.length > 1 ? { next_model: other?.model ?? model } : {}),
    });
  });
  ctx.observer.retry({ ...ctx.row, model }, kind, delayMs);
  await ctx.clock.sleep(delayMs, "runner.model_retry", ctx.signal);
  if (ctx.signal.aborted) throw new Cancelled("cancelled during the back-off");
  return await ctx.commit("worker.begin", async (bundle) => await advance(ctx, bundle, transcript));
}

/** The turn goes on with a summary of what did not fit. */
async function compactAndGoOn(ctx: TaskContext, transcript: Transcript): Promise<Next> {
  return await ctx.commit(
    "worker.begin",
    async (bundle) => await advance(ctx, bundle, transcript, false, { compact: "overflow" }),
  );
}

function repairOf({ parts }: ModelReply): NewMessage | null {
  const last = parts.at(-1);
  return last?.type === "structured-output" && last.repairing === true ? repairNote(last) : null;
}

function modelMissing(model: string): ModelError {
  return new ModelError({
    kind: "config",
    message: `No provider is configured here for the model "${model}".`,
    retryable: false,
  });
}

/** A refusal is an answer, and asking again would only be refused again; anything else may have been an accident. */
function withoutParts(model: string, finishReason: FinishReason): ModelError {
  const [provider = ""] = model.split("/");
  return finishReason === "content_filter"
    ? new ModelError({
        kind: "content_filter",
        message: "The provider refused to answer this.",
        retryable: false,
        provider,
      })
    : new ModelError({
        kind: "empty_response",
        message: "The model ended its reply without saying anything.",
        retryable: true,
        provider,
      });
}
