import type { BudgetRefusal, ChatError, ErrorKind } from "@parley/protocol";
import { FenceLost } from "../../domain/errors.ts";
import { nextStep } from "../../domain/next-step.ts";
import { budgetExceeded } from "../../domain/spending.ts";
import type { NewMessage, TrackedCall } from "../../domain/rows.ts";
import { assertNever, defined } from "../../lib/assert.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { abandon } from "../../machine/ownership.ts";
import { silenceMs } from "../../machine/transaction.ts";
import { enterRequiresAction } from "../../machine/transitions/enter-requires-action.ts";
import { finishError } from "../../machine/transitions/finish-error.ts";
import { finishTurn } from "../../machine/transitions/finish-turn.ts";
import { promoteSteering } from "../../machine/transitions/promote-steering.ts";
import { recordGenerationAttempt } from "../../machine/transitions/record-generation-attempt.ts";
import { startExecution } from "../../store/executions.ts";
import { readQueue } from "../../store/queue.ts";
import { anotherHasTools } from "../../store/workers.ts";
import type { CompactionReason } from "../compaction/boundary.ts";
import type { ChatTools } from "../chat-tools.ts";
import type { TurnOutcome } from "../observer.ts";
import { compactionBefore, type CompactionWish } from "./compaction.ts";
import { toolsIn } from "./chat-tools.ts";
import type { TaskContext } from "./context.ts";
import { reserveReply, reserveSummary } from "./spending.ts";
import { nextReplyModel } from "./routing.ts";
import { timeLeftMs, timeLimitReached } from "./turn-time.ts";
import { planTools, type PlannedCall } from "./tool-plan.ts";
import { extended, stepsOf, type Transcript } from "./transcript.ts";
import type { RefusedCall } from "../spending/reserve.ts";

/** What a bundle has begun: a step whose attempt it recorded, or nothing, because the turn or the ownership is over. */
export type Next = (
  | {
      readonly step: "call_model";
      readonly transcript: Transcript;
      /** No longer reply is paid for; null: no budget holds the call. */
      readonly outputTokensMax: number | null;
    }
  | {
      readonly step: "compact";
      readonly transcript: Transcript;
      readonly reason: CompactionReason;
      readonly outputTokensMax: number | null;
    }
  | {
      readonly step: "run_tools";
      readonly transcript: Transcript;
      /** What may run once at most is recorded as started. */
      readonly planned: readonly PlannedCall[];
    }
  | { readonly step: "none" }
) & {
  /** Turns that ended with this bundle: to be told once it has committed. */
  readonly ended?: readonly TurnEnd[];
  /** The turn is over, and this is the history that it leaves. */
  readonly history?: Transcript;
  /** The budget that had no room for the next call. */
  readonly refused?: BudgetRefusal;
};

interface TurnEnd {
  readonly outcome: TurnOutcome;
  readonly error: ErrorKind | null;
}

/** To be called when the bundle has committed. */
export function report(
  ctx: Pick<TaskContext, "observer" | "row" | "histories" | "chatId">,
  { ended = [], refused, history }: Next,
): void {
  if (history !== undefined) ctx.histories.remember(ctx.chatId, history);
  if (refused !== undefined) ctx.observer.budgetRefused(ctx.row, refused.scope, refused.unit);
  for (const { outcome, error } of ended) ctx.observer.turnEnded(ctx.row, outcome, error);
}

/**
 * Decides under the row lock what follows, and does as much of it as belongs into this bundle: steering is taken in, the
 * turn is ended (and the next one begun, or the chat given up), or the attempt of the next step is recorded.
 *
 * @param over the reply was cut off: the turn ends with it, whatever history looks like.
 */
export async function advance(
  ctx: TaskContext,
  bundle: Bundle,
  from: Transcript,
  over = false,
  wish: CompactionWish = {},
): Promise<Next> {
  let transcript = from;
  let cutOff = over;
  const ended: TurnEnd[] = [];
  for (;;) {
    const steering = await isSteered(bundle);
    const step = cutOff
      ? steering
        ? "promote_steering"
        : "finish"
      : nextStep({
          messages: transcript.context,
          calls: transcript.calls,
          steering,
          compaction: bundle.flags.compaction_requested_at !== null,
          compactOnly: bundle.flags.compact_only,
        });
    switch (step) {
      case "run_tools":
        return await begin(ctx, bundle, transcript, step, ended);
      case "call_model": {
        const model = nextReplyModel(ctx, bundle, transcript);
        const reason = compactionBefore(ctx, transcript, model, wish);
        if (reason !== null) return await beginCompaction(ctx, bundle, transcript, reason, ended);
        return await begin(ctx, bundle, transcript, step, ended);
      }
      case "require_action":
        await enterRequiresAction(bundle);
        ctx.memory.forget();
        return { step: "none", ended: [...ended, { outcome: "requires_action", error: null }] };
      case "promote_steering":
        await promoteSteering(bundle);
        transcript = grown(bundle, transcript, []);
        cutOff = false;
        continue;
      case "compact":
        return await beginCompaction(ctx, bundle, transcript, "asked", ended);
      case "finish":
        // Whatever was open would have been run, or waited for.
        await finishTurn(bundle, cutOff ? undefined : transcript.calls);
        await bundle.refreshState();
        if (!bundle.state.startsWith("R")) {
          await abandon(bundle, ctx.runnerId);
          const history = grown(bundle, transcript, []);
          return { step: "none", ended: [...ended, { outcome: "finished", error: null }], history };
        }
        transcript = grown(bundle, transcript, []);
        ended.push({ outcome: "next_message", error: null });
        cutOff = false;
        continue;
      default:
        return assertNever(step, "step");
    }
  }
}

/** The transcript with what this bundle has inserted since. */
export function grown(
  bundle: Bundle,
  transcript: Transcript,
  calls: readonly TrackedCall[],
): Transcript {
  const last = transcript.context.at(-1)?.id ?? 0;
  const fresh = bundle.messages.filter((message) => message.id > last);
  // What inserting a message moves the version to, without asking for the row again.
  const snapshot = defined(bundle.before, "the row before the bundle").snapshot_version + 1;
  const version = fresh.length > 0 ? snapshot : transcript.history_version;
  return extended(transcript, version, fresh, calls);
}

/** Ends the turn with an error that the user sees, and gives the chat up. */
export async function fail(
  ctx: TaskContext,
  bundle: Bundle,
  error: ChatError,
  partial: readonly NewMessage[] = [],
): Promise<Next> {
  await finishError(bundle, { error, partial });
  await abandon(bundle, ctx.runnerId);
  ctx.memory.forget();
  return { step: "none", ended: [{ outcome: "error", error: error.kind }] };
}

async function begin(
  ctx: TaskContext,
  bundle: Bundle,
  transcript: Transcript,
  step: "call_model" | "run_tools",
  ended: readonly TurnEnd[],
): Promise<Next> {
  if (ctx.draining) {
    // A step boundary: whoever takes the chat over begins this step.
    await abandon(bundle, ctx.runnerId);
    return { step: "none", ended };
  }
  if (stepsOf(transcript) >= ctx.limits.stepsMax) {
    return await fail(ctx, bundle, stepLimitReached(ctx.limits.stepsMax));
  }
  // A turn that this bundle has begun has all its time.
  if (ended.length === 0 && timeLeftMs(ctx.limits, bundle.before, bundle.lockedAt) <= 0) {
    return await fail(ctx, bundle, timeLimitReached(ctx.limits));
  }
  if (step === "call_model") {
    const reserved = await reserveReply(ctx, bundle, transcript);
    if (reserved.refusal !== null) return await refuse(ctx, bundle, reserved);
    ctx.memory.remember(transcript);
    return { step, transcript, outputTokensMax: reserved.outputTokensMax, ended };
  }
  const tools = await toolsIn(ctx, bundle);
  const { stepToolCallsMax } = ctx.limits;
  const planned = planTools(transcript, (name) => tools.get(name), stepToolCallsMax);
  if (await runsElsewhere(bundle, planned, tools)) {
    ctx.leave(ctx.chatId);
    await abandon(bundle, ctx.runnerId);
    return { step: "none", ended };
  }
  await recordGenerationAttempt(bundle);
  await startOnce(ctx, bundle, transcript, planned);
  // Tools change the ledger without changing history: their transcript is good for one use.
  ctx.memory.forget();
  return { step, transcript, planned, ended };
}

/** A budget has no room for the call that comes next. */
async function refuse(
  ctx: TaskContext,
  bundle: Bundle,
  { model, refusal }: RefusedCall,
): Promise<Next> {
  return { ...(await fail(ctx, bundle, budgetExceeded(model, refusal))), refused: refusal };
}

/** Not a step of the turn: it says nothing and runs nothing, and what bounds it is how much the context has grown. */
async function beginCompaction(
  ctx: TaskContext,
  bundle: Bundle,
  transcript: Transcript,
  reason: CompactionReason,
  ended: readonly TurnEnd[],
): Promise<Next> {
  if (ctx.draining) {
    await abandon(bundle, ctx.runnerId);
    return { step: "none", ended };
  }
  const reserved = await reserveSummary(ctx, bundle, transcript);
  if (reserved.refusal !== null) return await refuse(ctx, bundle, reserved);
  ctx.memory.remember(transcript);
  const { outputTokensMax } = reserved;
  return { step: "compact", transcript, reason, outputTokensMax, ended };
}

/**
 * A tool is missing here, and another worker that lives has all that these calls need: one of another version, while
 * replicas are being replaced. Where nobody has it, the call is answered here.
 */
async function runsElsewhere(
  bundle: Bundle,
  planned: readonly PlannedCall[],
  tools: ChatTools,
): Promise<boolean> {
  const toRun = planned
    .filter((each) => each.how === "run")
    .filter(({ call }) => !tools.isOwn(call.tool_name));
  if (toRun.every((each) => each.tool !== undefined)) return false;
  const names = [...new Set(toRun.map(({ call }) => call.tool_name))];
  await bundle.refresh();
  const { leaseMs } = bundle.transaction.rules;
  return await anotherHasTools(bundle.tx, bundle.sketch, names, leaseMs, silenceMs);
}

/** Calls that may run once at most are recorded as started before any of them runs, in the bundle that begins the step. */
async function startOnce(
  ctx: TaskContext,
  bundle: Bundle,
  transcript: Transcript,
  planned: readonly PlannedCall[],
): Promise<void> {
  const fence = {
    chat_id: ctx.chatId,
    runner_id: ctx.runnerId,
    history_version: transcript.history_version,
  };
  await Promise.all(
    planned.map(async (each) => {
      if (each.how !== "run" || !each.once || each.call.execution === null) return;
      // Somebody has begun it, or has ended it: what this bundle was decided from is out of date.
      const started = await startExecution(bundle.tx, fence, each.call.execution.id);
      if (!started) throw new FenceLost(ctx.chatId);
    }),
  );
}

async function isSteered(bundle: Bundle): Promise<boolean> {
  await bundle.refreshState();
  if (bundle.queueLength === 0) return false;
  return (await readQueue(bundle.tx, bundle.chatId)).some(({ manner }) => manner === "steer");
}

function stepLimitReached(stepsMax: number): ChatError {
  return {
    kind: "step_limit",
    message: `The turn took ${stepsMax} steps without coming to an end. Send a message to go on.`,
    retryable: false,
  };
}
