import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { FinishReason, LivePart, Part, Usage } from "@parley/protocol";
import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { cutPlan } from "./demo/cut.ts";
import { lastQuestion, planReply, type DemoFailure, type DemoPlan } from "./demo/plan.ts";
import { ModelError, type ModelInfo, type ModelReply, type ModelRequest } from "./model-port.ts";
import { unknownTraits } from "./model-table.ts";
import { ReplyBuilder } from "./reply-builder.ts";
import { isRetryableKind } from "./retry-policy.ts";

export const demoModels: readonly ModelInfo[] = ["demo", "echo", "fast"].map((name) => ({
  id: `demo/${name}`,
  provider: "demo",
  name,
  ...unknownTraits,
  context_window_tokens: 128_000,
}));

/** 40 words a second, about as fast as people read at a glance. */
const wordMs = 25;
/** `slow`: between two sentences. */
const pauseMs = 4_000;
/** How many requests that fail once are remembered. */
const failedOnceMax = 1_000;
const charsPerToken = 4;

/** Built-in models for trying everything out without an account. The same prompt gives the same reply. */
export class DemoModels {
  readonly #clock: Clock;
  readonly #random: Pick<Random, "uuid">;
  /** Requests that have failed once already: the only thing here that the prompt does not decide. */
  readonly #failedOnce = new Set<string>();

  constructor({ clock, random }: { clock: Clock; random: Pick<Random, "uuid"> }) {
    this.#clock = clock;
    this.#random = random;
  }

  async stream(request: ModelRequest, onPart: (live: LivePart) => void): Promise<ModelReply> {
    const model = request.model.slice("demo/".length);
    const whole = planReply(request, model);
    const cut = cutPlan(whole, outputTokensMax(request) * charsPerToken);
    const plan = cut ?? whole;
    const isPaced = model !== "fast" && model !== "echo";
    const builder = new ReplyBuilder(request.used_call_ids, this.#random, onPart);
    const failure = this.#failureDue(plan, request);
    let words = 0;
    const total = plan.text.split(/(?<=\s)/).length;
    throwIfAborted(request.signal);
    if (failure !== null && failure.afterShare === 0) throw errorOf(failure);
    for (const part of streamParts(plan)) {
      if (part.type === "text-delta" || part.type === "reasoning-delta") {
        const isSentence = plan.slow && /[.:!?]\s*$/.test(part.delta);
        const ms = (isPaced ? wordMs : 0) + (isSentence ? pauseMs : 0);
        // Words come one after the other: that is the point.
        // oxlint-disable-next-line no-await-in-loop
        if (ms > 0) await this.#clock.sleep(ms, "demo pace", request.signal);
        throwIfAborted(request.signal);
        if (part.type === "text-delta") words += 1;
      }
      if (failure !== null && words > total * failure.afterShare) throw errorOf(failure);
      builder.add(part);
    }
    const parts = builder.end();
    return {
      parts,
      finish_reason: cut === null ? finishReasonOf(plan) : "length",
      usage: usageOf(request, parts),
      model: request.model,
      skipped_events: 0,
    };
  }

  #failureDue({ failure }: DemoPlan, request: ModelRequest): DemoPlan["failure"] {
    if (failure === null || !failure.once) return failure;
    const key = `${request.messages.length} ${lastQuestion(request.messages)}`;
    if (this.#failedOnce.delete(key)) return null;
    if (this.#failedOnce.size >= failedOnceMax) this.#failedOnce.clear();
    this.#failedOnce.add(key);
    return failure;
  }
}

function* streamParts(plan: DemoPlan): Generator<LanguageModelV4StreamPart> {
  if (plan.reasoning !== "") {
    yield { type: "reasoning-start", id: "reasoning" };
    for (const delta of plan.reasoning.split(/(?<=\s)/)) {
      yield { type: "reasoning-delta", id: "reasoning", delta };
    }
    yield { type: "reasoning-end", id: "reasoning" };
  }
  if (plan.text !== "") {
    yield { type: "text-start", id: "text" };
    for (const delta of plan.text.split(/(?<=\s)(?=\S)/))
      yield { type: "text-delta", id: "text", delta };
    yield { type: "text-end", id: "text" };
  }
  for (const { toolName, input } of plan.calls) {
    // Without an id, as some servers send them: it is given one.
    yield { type: "tool-input-start", id: "", toolName };
    for (const delta of input.match(/.{1,8}/gs) ?? [])
      yield { type: "tool-input-delta", id: "", delta };
    yield { type: "tool-input-end", id: "" };
    yield { type: "tool-call", toolCallId: "", toolName, input };
  }
}

function finishReasonOf(plan: DemoPlan): FinishReason {
  return plan.calls.length > 0 ? "tool_calls" : "stop";
}

/** As providers are: a reply is no longer than was asked for, or is paid for. */
function outputTokensMax({ settings, output_tokens_max }: ModelRequest): number {
  const asked = settings?.max_output_tokens ?? Number.POSITIVE_INFINITY;
  return Math.min(asked, output_tokens_max ?? Number.POSITIVE_INFINITY);
}

function errorOf({ kind, message, status_code, retry_after_ms }: DemoFailure): ModelError {
  return new ModelError({
    kind,
    message,
    retryable: isRetryableKind(kind),
    provider: "demo",
    ...(status_code === undefined ? {} : { status_code }),
    ...(retry_after_ms === undefined ? {} : { retry_after_ms }),
  });
}

function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const message = "The model call was cancelled.";
  throw new ModelError({ kind: "cancelled", message, retryable: false, provider: "demo" });
}

function usageOf({ system_prompt, messages }: ModelRequest, reply: readonly Part[]): Usage {
  const input =
    tokens(messages.flatMap(({ parts }) => parts)) +
    Math.ceil((system_prompt?.length ?? 0) / charsPerToken);
  const output = tokens(reply);
  const reasoning = tokens(reply.filter(({ type }) => type === "reasoning"));
  return {
    input_tokens: input,
    output_tokens: output,
    ...(reasoning === 0 ? {} : { reasoning_tokens: reasoning }),
    total_tokens: input + output,
  };
}

function tokens(parts: readonly Part[]): number {
  const chars = parts.reduce((sum, part) => sum + charsOf(part), 0);
  return Math.ceil(chars / charsPerToken);
}

function charsOf(part: Part): number {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text.length;
    case "tool-call":
      return JSON.stringify(part.input).length;
    case "tool-result":
      return JSON.stringify(part.output).length;
    case "source":
    case "file":
    case "custom":
    case "structured-output":
      return 0;
  }
}
