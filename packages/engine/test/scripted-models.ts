import {
  foldInto,
  type FinishReason,
  type LivePart,
  type Part,
  type Usage,
} from "@parley/protocol";
import { onAbort } from "../src/lib/abort.ts";
import {
  ModelError,
  type ModelInfo,
  type ModelPort,
  type ModelReply,
  type ModelRequest,
  type ReadyCall,
} from "../src/models/model-port.ts";
import { unknownTraits, type ModelTraits } from "../src/models/model-table.ts";

/** How a scripted model answers one call. */
export type Script = (speaker: Speaker) => Promise<FinishReason | void>;

/** What a script says, and how it waits. What it said is the reply. */
export class Speaker {
  readonly request: ModelRequest;
  readonly parts: Part[] = [];
  /** What the reply is going to have cost. */
  usage: Usage = { input_tokens: 1, output_tokens: 1 };
  readonly #onPart: (live: LivePart) => void;

  constructor(request: ModelRequest, onPart: (live: LivePart) => void) {
    this.request = request;
    this.#onPart = onPart;
  }

  live(part: LivePart): void {
    foldInto(this.parts, part);
    this.#onPart(part);
  }

  /** A text part of its own, word by word. */
  text(value: string): void {
    const index = this.parts.length;
    for (const delta of value.match(/\S+\s*/g) ?? []) this.live({ type: "text", index, delta });
  }

  /** A tool call, whole. */
  call(tool_call_id: string, tool_name: string, input: unknown = {}): void {
    const index = this.parts.length;
    this.live({ type: "tool-call", index, tool_call_id, tool_name, input: input as never });
  }

  /** The arguments of a call are still arriving. */
  callBegun(tool_call_id: string, tool_name: string, input_delta: string): void {
    this.live({
      type: "tool-call",
      index: this.parts.length,
      tool_call_id,
      tool_name,
      input_delta,
    });
  }

  /** Waits for the gate, as a provider does that has nothing to say yet; an abort ends it. */
  async wait(gate: Promise<unknown>): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const off = onAbort(this.request.signal, () => reject(failure("cancelled", false)));
    try {
      await Promise.race([gate, promise]);
    } finally {
      off();
    }
  }

  /** Until the call is aborted. */
  async hang(): Promise<void> {
    await this.wait(new Promise(() => {}));
  }
}

export function failure(kind: ModelError["kind"], retryable = true): ModelError {
  return new ModelError({ kind, message: `scripted: ${kind}`, retryable, provider: "test" });
}

interface PreparedCall {
  readonly request: Omit<ModelRequest, "signal">;
  isSent: boolean;
  isDropped: boolean;
}

/** A model provider whose every answer is written by the test. Its models are named `test/…`. */
export class ScriptedModels implements ModelPort {
  readonly requests: ModelRequest[] = [];
  /** Calls that were made ready before their commit was known, and what became of them. */
  readonly prepared: PreparedCall[] = [];
  /** Context windows, in tokens, by model; of the others nothing is known. */
  readonly windows = new Map<string, number>();
  /** What else is known of single models. */
  readonly traits = new Map<string, Partial<ModelTraits>>();
  readonly #scripts: Script[] = [];
  #waiting: (() => void)[] = [];
  readonly #provider: string;

  constructor(provider = "test") {
    this.#provider = provider;
  }

  enqueue(...scripts: Script[]): void {
    this.#scripts.push(...scripts);
  }

  /** Resolves when the n-th call (from 1) has been made, and gives it. */
  async request(n: number): Promise<ModelRequest> {
    for (;;) {
      const request = this.requests[n - 1];
      if (request !== undefined) return request;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** A call that is held back like a provider's, and answered by the same scripts. */
  prepare(request: Omit<ModelRequest, "signal">): ReadyCall {
    const call = { request, isSent: false, isDropped: false };
    this.prepared.push(call);
    return {
      send: () => void (call.isSent = true),
      drop: () => void (call.isDropped = true),
      stream: async (signal, onPart) => await this.stream({ ...request, signal }, onPart),
    };
  }

  async stream(request: ModelRequest, onPart: (live: LivePart) => void): Promise<ModelReply> {
    this.requests.push(request);
    for (const resolve of this.#waiting.splice(0)) resolve();
    const script = this.#scripts.shift() ?? says("ok");
    const speaker = new Speaker(request, onPart);
    const finish_reason = (await script(speaker)) ?? "stop";
    return {
      parts: speaker.parts,
      finish_reason,
      usage: speaker.usage,
      model: request.model,
      skipped_events: 0,
    };
  }

  has(model: string): boolean {
    return model.startsWith(`${this.#provider}/`);
  }

  providers(): string[] {
    return [this.#provider];
  }

  list(): ModelInfo[] {
    return [];
  }

  defaultModel(): string {
    return `${this.#provider}/model`;
  }

  info(id: string): ModelInfo | null {
    if (!this.has(id)) return null;
    const [provider = "", name = ""] = id.split("/");
    const context_window_tokens = this.windows.get(id) ?? null;
    return {
      id,
      provider,
      name,
      ...unknownTraits,
      context_window_tokens,
      ...this.traits.get(id),
    };
  }

  optionsOf(): readonly string[] {
    return [];
  }
}

export function says(value: string, finish: FinishReason = "stop"): Script {
  return async (speaker) => {
    speaker.text(value);
    return finish;
  };
}

export function calls(
  ...ids: readonly (readonly [id: string, tool: string, input?: unknown])[]
): Script {
  return async (speaker) => {
    for (const [id, tool, input] of ids) speaker.call(id, tool, input);
    return "tool_calls";
  };
}

export function fails(kind: ModelError["kind"], retryable = true, said = ""): Script {
  return async (speaker) => {
    if (said !== "") speaker.text(said);
    throw failure(kind, retryable);
  };
}

/** Says something and then nothing more, until it is stopped. */
export function hangs(said = ""): Script {
  return async (speaker) => {
    if (said !== "") speaker.text(said);
    await speaker.hang();
  };
}
