import type { Json, ToolCallPart, ToolResultPart } from "@parley/protocol";
import { linked, onAbort } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import { storableJson, storableText } from "../lib/storable.ts";
import { Idling, type IdlingCall } from "./idling.ts";
import { OutputShare } from "./output-share.ts";
import { Progress } from "./progress.ts";
import { validateInput, type Tool } from "./tool.ts";

export interface BatchCall {
  call: ToolCallPart;
  /** Stable over all runs of this call. */
  idempotencyKey: string;
}

/** How a call ended. `refused`: it never ran. `stopped`: the batch was, and what the call did is not known here. */
export type Ended = "finished" | "failed" | "timed_out" | "refused" | "stopped";

export interface CallOutcome {
  result: ToolResultPart;
  ended: Ended;
}

export interface BatchOptions {
  chatId: string;
  tools: { get: (name: string) => Tool | undefined };
  clock: Pick<Clock, "timer">;
  /** Stops the batch: calls still running end as `stopped`, promptly, whether they listen or not. */
  signal: AbortSignal;
  /**
   * Caps every tool's own limit, and is that of tools which state none: a third of the model's context window, say. All
   * results together may have no more.
   */
  outputBytesMax?: number;
  /** As each call ends, in any order. The batch waits for it, and fails when it does. */
  onEnd?: (outcome: CallOutcome, call: ToolCallPart) => Promise<void> | void;
  onProgress?: (call: ToolCallPart, progress: Json) => void;
  /** Every call that has not ended only waits, from now on or no longer. Must not throw. */
  onIdle?: (idle: boolean) => Promise<void>;
}

/** Enough of an error's message for a model to mend its call. */
const errorBytesMax = 4_000;

/** Where neither the tool nor the model's window says how much is too much. */
const outputDefaultBytesMax = 64 * 1024;
const batchDefaultBytesMax = 4 * outputDefaultBytesMax;

/**
 * Runs a step's calls at once. A call's failure is its result; the outcomes are in call order.
 *
 * @throws what `onEnd` throws, once every call has ended.
 */
export async function runBatch(
  calls: readonly BatchCall[],
  options: BatchOptions,
): Promise<CallOutcome[]> {
  const idling = new Idling(calls.length, options.onIdle);
  const share = new OutputShare(options.outputBytesMax ?? batchDefaultBytesMax, calls.length);
  const ends = await Promise.allSettled(
    calls.map(async (each) => {
      const own = idling.call();
      const outcome = await runCall(each, options, share, own.idle);
      if (outcome.ended !== "finished" && outcome.ended !== "failed") share.forgo();
      await own.end();
      await options.onEnd?.(outcome, each.call);
      return outcome;
    }),
  );
  return ends.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
}

async function runCall(
  batchCall: BatchCall,
  options: BatchOptions,
  share: OutputShare,
  idle: IdlingCall["idle"],
): Promise<CallOutcome> {
  const { call } = batchCall;
  const tool = options.tools.get(call.tool_name);
  if (tool === undefined) return failed(call, "refused", `There is no tool "${call.tool_name}".`);
  if (call.input_text !== undefined) {
    const shown = call.input_text.slice(0, 200);
    const problem = `The arguments are no valid JSON: ${shown}`;
    return failed(call, "refused", `${problem} Call the tool again with a JSON object.`);
  }
  const validated = validateInput(tool, call.input);
  if (!validated.ok) {
    return failed(
      call,
      "refused",
      `The arguments do not fit the tool's schema: ${validated.problem}`,
    );
  }
  return await execute(tool, validated.input, batchCall, { ...options, share }, idle);
}

async function execute(
  tool: Tool,
  input: Json,
  { call, idempotencyKey }: BatchCall,
  {
    chatId,
    clock,
    signal,
    onProgress,
    outputBytesMax,
    share,
  }: BatchOptions & { share: OutputShare },
  idle: IdlingCall["idle"],
): Promise<CallOutcome> {
  using abort = linked(signal);
  const bytesMax = Math.min(
    tool.outputBytesMax ?? outputBytesMax ?? outputDefaultBytesMax,
    outputBytesMax ?? Number.POSITIVE_INFINITY,
  );
  const told = new Progress(clock, (value) => onProgress?.(call, value));
  const { promise: cutShort, resolve: cut } = Promise.withResolvers<CallOutcome>();
  const timer = clock.timer(tool.timeoutMs, "tool timeout", () => {
    const limit = `${tool.timeoutMs / 1_000} s`;
    const problem = `The tool was stopped: it took longer than ${limit}.`;
    cut(failed(call, "timed_out", `${problem} What it had begun may have had its effect.`));
    abort.abort(new Error("timeout"));
  });
  const off = onAbort(signal, () => cut(failed(call, "stopped", "The call was stopped.")));
  let isLeft = false;
  const run = async (): Promise<CallOutcome> => {
    if (signal.aborted) return failed(call, "stopped", "The call was stopped before it ran.");
    try {
      const output = await tool.execute(input, {
        signal: abort.signal,
        idempotencyKey,
        progress: (value) => told.tell(value),
        chatId,
        idle,
      });
      // What comes after the end takes nothing from the others' share.
      return isLeft
        ? leftBehind(call)
        : finished(call, share.output(storableJson(output), bytesMax));
    } catch (error) {
      return isLeft
        ? leftBehind(call)
        : failed(call, "failed", share.text(messageOf(error), Math.min(bytesMax, errorBytesMax)));
    }
  };
  try {
    // A tool that does not listen to its signal is left behind; its late end goes nowhere.
    return await Promise.race([run(), cutShort]);
  } finally {
    isLeft = true;
    told.end();
    timer.cancel();
    off();
  }
}

function finished(call: ToolCallPart, output: Json): CallOutcome {
  return { ended: "finished", result: resultPart(call, output, false) };
}

function leftBehind(call: ToolCallPart): CallOutcome {
  return failed(call, "stopped", "The call had ended before.");
}

function failed(call: ToolCallPart, ended: Ended, message: string): CallOutcome {
  return { ended, result: resultPart(call, storableText(message), true) };
}

function resultPart(call: ToolCallPart, output: Json, is_error: boolean): ToolResultPart {
  const { tool_call_id, tool_name } = call;
  return { type: "tool-result", tool_call_id, tool_name, output, is_error };
}

/** Whatever a tool throws, something can be said of it: its message may be anything, and looking at it may throw again. */
function messageOf(error: unknown): string {
  try {
    const message: unknown = error instanceof Error ? error.message : error;
    const text = storableText(String(message));
    return text === "" ? "The tool failed without saying why." : text;
  } catch {
    return "The tool failed, and its error cannot be shown.";
  }
}
