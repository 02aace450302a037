import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import type { FinishReason, LivePart, Part, Usage } from "@parley/protocol";
import { onAbort, orAborted } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import { Latch } from "../../lib/latch.ts";
import type { Random } from "../../lib/random.ts";
import { classify } from "../classify.ts";
import { ModelError, type ModelReply, type ModelRequest, type ReadyCall } from "../model-port.ts";
import { ReplyBuilder } from "../reply-builder.ts";
import { SilenceGuard, type SilenceLimits } from "../silence.ts";
import { EventFilter, type Wire } from "./event-filter.ts";
import { failureOf, isUnknownChunk, StreamCut } from "./failure.ts";
import type { HttpCall } from "./http-fetch.ts";

/** One way to call one model, as a provider package offers it. */
export interface Adapter {
  provider: string;
  wire: Wire;
  /** Keys and header values that must not reach a user. */
  secrets: readonly string[];
  silence: SilenceLimits;
  options: LanguageModelV4CallOptions;
  doStream: (
    call: HttpCall,
    options: LanguageModelV4CallOptions & { abortSignal: AbortSignal },
  ) => PromiseLike<LanguageModelV4StreamResult>;
}

type CallRequest = Pick<ModelRequest, "model" | "used_call_ids" | "output_tokens_max">;

interface CallDeps {
  clock: Clock;
  random: Pick<Random, "uuid">;
}

/** One streamed call through a provider package. The package is at work from the start; its request leaves when it may. */
export class ProviderCall implements ReadyCall {
  readonly #adapter: Adapter;
  readonly #request: CallRequest;
  readonly #deps: CallDeps;
  readonly #abort = new AbortController();
  readonly #call: HttpCall;
  readonly #opened: Promise<LanguageModelV4StreamResult>;
  #guard: SilenceGuard | null = null;
  #isStreamed = false;

  constructor(adapter: Adapter, request: CallRequest, deps: CallDeps) {
    this.#adapter = adapter;
    this.#request = request;
    this.#deps = deps;
    const filter = new EventFilter(adapter.wire, () => this.#guard?.heard());
    this.#call = { filter, departure: new Latch(), isMade: false, failure: null };
    const options = {
      ...adapter.options,
      ...atMost(request.output_tokens_max, adapter.options.maxOutputTokens),
      abortSignal: this.#abort.signal,
    };
    this.#opened = Promise.resolve(adapter.doStream(this.#call, options));
    // Told where it is streamed.
    this.#opened.catch(() => {});
  }

  send(): void {
    this.#call.departure.open();
  }

  drop(): void {
    if (!this.#isStreamed) this.#abort.abort(new Error("not wanted any more"));
  }

  async stream(caller: AbortSignal, onPart: (live: LivePart) => void): Promise<ModelReply> {
    this.#isStreamed = true;
    const { clock, random } = this.#deps;
    const { provider, secrets, silence } = this.#adapter;
    const abort = this.#abort;
    const { signal } = abort;
    const off = onAbort(caller, (reason) => abort.abort(reason));
    let silentMs: number | null = null;
    using guard = new SilenceGuard(clock, silence, (ms) => {
      silentMs = ms;
      abort.abort(new Error("silence"));
    });
    this.#guard = guard;
    const builder = new ReplyBuilder(this.#request.used_call_ids, random, onPart);
    try {
      if (signal.aborted) throw new Error("aborted before the call");
      this.send();
      const { stream } = await orAborted(this.#opened, signal);
      const finish = await readStream(stream, signal, builder);
      const parts = builder.end();
      return {
        parts,
        finish_reason: finishReasonOf(finish.finishReason, parts),
        usage: usageOf(finish.usage),
        model: this.#request.model,
        skipped_events: this.#call.filter.skipped + builder.skipped,
      };
    } catch (thrown) {
      const error = this.#call.failure ?? thrown;
      // Whatever went wrong, the connection must not linger.
      abort.abort(error);
      if (caller.aborted) throw cancelled(provider);
      if (silentMs !== null) throw silent(provider, silentMs);
      if (error instanceof ModelError) throw error;
      throw classify(failureOf(error), { provider, secrets, now: clock.now() });
    } finally {
      off();
    }
  }
}

type Finish = Extract<LanguageModelV4StreamPart, { type: "finish" }>;

async function readStream(
  stream: ReadableStream<LanguageModelV4StreamPart>,
  signal: AbortSignal,
  builder: ReplyBuilder,
): Promise<Finish> {
  const reader = stream.getReader();
  // A cancelled reader answers at once, so that the loop needs no race per part.
  const off = onAbort(signal, (reason) => void reader.cancel(reason).catch(() => {}));
  let finish: Finish | null = null;
  let hasSkipped = false;
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop
      const { done, value } = await reader.read();
      if (signal.aborted) throw signal.reason;
      if (done) break;
      if (value.type === "finish") finish = value;
      if (value.type === "error") {
        if (!isUnknownChunk(value.error)) throw value.error;
        hasSkipped = true;
        builder.skipped += 1;
      }
      builder.add(value);
    }
  } finally {
    off();
  }
  if (finish === null || finish.finishReason.unified === "interrupted") throw new StreamCut();
  const { unified, raw } = finish.finishReason;
  // Adapters say "error" for the rest of a stream once they did not understand one chunk of it.
  if (unified === "error" && !(hasSkipped && raw === undefined)) throw brokenOff(raw);
  return finish;
}

/** The model itself broke off, with a reason that is no error message: a malformed call, say. */
function brokenOff(raw: string | undefined): Error {
  return Object.assign(new Error(`The model broke off its reply (${raw ?? "no reason given"}).`), {
    code: raw === undefined || raw === "" ? "provider_error" : raw,
  });
}

function finishReasonOf(
  { unified, raw }: LanguageModelV4FinishReason,
  parts: Part[],
): FinishReason {
  if (raw === "pause_turn" || raw === "compaction") return "pause";
  switch (unified) {
    case "length":
      return "length";
    case "content-filter":
      return "content_filter";
    default: {
      // What the reply holds is surer than what its end says: servers say "stop" after calls, and the other way.
      const hasCall = parts.some(
        (part) => part.type === "tool-call" && part.provider_executed !== true,
      );
      if (hasCall) return "tool_calls";
      return unified === "other" && raw !== undefined ? "other" : "stop";
    }
  }
}

function atMost(
  most: number | undefined,
  asked: number | undefined,
): Pick<LanguageModelV4CallOptions, "maxOutputTokens"> {
  return most === undefined ? {} : { maxOutputTokens: Math.min(most, asked ?? most) };
}

function usageOf({ inputTokens, outputTokens, raw }: LanguageModelV4Usage): Usage | null {
  const input = tokens(inputTokens.total);
  const output = tokens(outputTokens.total);
  const reasoning = tokens(outputTokens.reasoning);
  const cached = tokens(inputTokens.cacheRead);
  const written = tokens(inputTokens.cacheWrite);
  if (input === null && output === null) return null;
  return {
    ...(input === null ? {} : { input_tokens: input }),
    ...(output === null ? {} : { output_tokens: output }),
    ...(reasoning === null ? {} : { reasoning_tokens: reasoning }),
    ...(cached === null ? {} : { cached_input_tokens: cached }),
    ...(written === null ? {} : { cache_write_input_tokens: written }),
    total_tokens: Math.max((input ?? 0) + (output ?? 0), saidTotal(raw)),
  };
}

/** Some providers count reasoning apart from the output, and only their total holds it. */
function saidTotal(raw: LanguageModelV4Usage["raw"]): number {
  const total = raw?.["total_tokens"] ?? raw?.["totalTokenCount"];
  return typeof total === "number" ? (tokens(total) ?? 0) : 0;
}

function tokens(count: number | undefined): number | null {
  return count === undefined || !Number.isFinite(count) ? null : Math.max(0, Math.round(count));
}

export function cancelled(provider: string): ModelError {
  const message = "The model call was cancelled.";
  return new ModelError({ kind: "cancelled", message, retryable: false, provider });
}

function silent(provider: string, silentMs: number): ModelError {
  const message = `The provider sent nothing for ${Math.round(silentMs / 1_000)} s.`;
  return new ModelError({ kind: "stream_silence", message, retryable: true, provider });
}
