import type { LivePart, ToolResultPart } from "@parley/protocol";
import { FenceLost } from "../../domain/errors.ts";
import { defined } from "../../lib/assert.ts";
import { commitStep } from "../../machine/transitions/commit-step.ts";
import { readTrackedCalls, storeResult } from "../../store/executions.ts";
import { runBatch } from "../../tools/run-batch.ts";
import { episodeOf } from "../ports.ts";
import { advance, grown, type Next } from "./advance.ts";
import { noteOutages, toolsIn } from "./chat-tools.ts";
import { throwIfCancelled, type TaskContext } from "./context.ts";
import { InOrder } from "./in-order.ts";
import { patiently } from "./patiently.ts";
import { episodeName } from "./partial.ts";
import { settleCalls } from "../../machine/close-open-calls.ts";
import type { PlannedCall } from "./tool-plan.ts";
import { readerOf } from "./routing.ts";
import type { Transcript } from "./transcript.ts";

/** As near as it can be told without a provider's tokenizer; code and most scripts take fewer bytes for a token. */
const bytesPerToken = 3;

/**
 * One batch of tool calls, in the attempt that the row names. A result is in the ledger before anybody sees it; the batch
 * is committed as one message, in call order.
 */
export async function toolStep(
  ctx: TaskContext,
  transcript: Transcript,
  planned: readonly PlannedCall[],
): Promise<Next> {
  const startedAt = ctx.clock.monotonic();
  ctx.observer.stepStarted(ctx.row, "tools");
  const key = episodeOf(ctx.row);
  if (planned.some((each) => each.how === "run" && each.once)) await ctx.sure(ctx.signal);
  throwIfCancelled(ctx.signal);
  const parts = await run(ctx, planned, outputBytesMax(ctx, transcript));
  throwIfCancelled(ctx.signal);
  const next = await ctx.commit("worker.step", async (bundle) => {
    await noteOutages(ctx, bundle, await toolsIn(ctx, bundle));
    await settleCalls(
      bundle,
      planned.filter(({ how }) => how === "known").map(({ call }) => call),
      "not_run",
    );
    await commitStep(bundle, { messages: [{ role: "tool", parts, episode: episodeName(key) }] });
    const left = transcript.calls.length > planned.length;
    const open = left ? await readTrackedCalls(bundle.tx, ctx.chatId) : [];
    return await advance(ctx, bundle, grown(bundle, transcript, open));
  });
  ctx.observer.stepEnded(ctx.row, "tools", ctx.clock.monotonic() - startedAt);
  return next;
}

/** Gives the results in call order; streams each as the order allows. */
async function run(
  ctx: TaskContext,
  planned: readonly PlannedCall[],
  bytesMax: number | null,
): Promise<ToolResultPart[]> {
  const key = episodeOf(ctx.row);
  const writer = ctx.parts.open(key, ctx.runnerId);
  const listen = ctx.memory.listen(key);
  const inOrder = new InOrder(planned.map(({ call }) => call.tool_call_id));
  const results = new Map<string, ToolResultPart>();
  const emit = (live: LivePart): void => {
    if (ctx.signal.aborted) return;
    listen(live);
    writer.append(live);
  };
  const ended = (result: ToolResultPart): void => {
    results.set(result.tool_call_id, result);
    for (const live of inOrder.end(result)) emit(live);
  };
  try {
    for (const each of planned) if (each.how === "known") ended(each.result);
    const toRun = planned.filter((each) => each.how === "run");
    const byCall = new Map(toRun.map((each) => [each.part.tool_call_id, each.call]));
    // As planned, and not as they may be by now: what runs is what was recorded as started, or needed no record.
    const tools = new Map(toRun.map(({ call, tool }) => [call.tool_name, tool]));
    await runBatch(
      toRun.map(({ part, call }) => ({
        call: part,
        idempotencyKey: defined(call.execution, "the call's ledger row").id,
      })),
      {
        tools,
        ...(bytesMax === null ? {} : { outputBytesMax: bytesMax }),
        clock: ctx.clock,
        signal: ctx.signal,
        chatId: ctx.chatId,
        onIdle: ctx.idle,
        onProgress: (call, progress) =>
          emit({ type: "tool-progress", tool_call_id: call.tool_call_id, progress }),
        onEnd: async ({ result, ended: how }, call) => {
          // The batch was stopped: whoever stopped it closes the call with what the ledger knows.
          if (how === "stopped") return;
          const execution = defined(byCall.get(call.tool_call_id)?.execution, "the ledger row");
          await store(ctx, execution.id, result);
          ended(result);
        },
      },
    );
  } finally {
    writer.close();
  }
  throwIfCancelled(ctx.signal);
  return planned.map(({ call }) => defined(results.get(call.tool_call_id), "the call's result"));
}

/** A third of the window of the model that will read it. Null: nobody knows how large that is. */
function outputBytesMax(ctx: TaskContext, transcript: Transcript): number | null {
  const tokens = ctx.models.info(readerOf(ctx, ctx.row, transcript))?.context_window_tokens ?? null;
  return tokens === null ? null : Math.floor((tokens * bytesPerToken) / 3);
}

async function store(ctx: TaskContext, executionId: string, result: ToolResultPart): Promise<void> {
  const { chatId, runnerId, row } = ctx;
  const fence = { chat_id: chatId, runner_id: runnerId, history_version: row.history_version };
  const { output, is_error } = result;
  const stored = await patiently(
    ctx,
    "worker.tool_result",
    async () =>
      await ctx.database.write(
        async (tx) => await storeResult(tx, fence, executionId, { output, is_error }),
        { operation: "worker.tool_result" },
      ),
  );
  if (!stored) throw new FenceLost(chatId);
}
