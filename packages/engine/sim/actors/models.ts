import { foldInto, type FinishReason, type LivePart, type Part } from "@parley/protocol";
import { onAbort } from "../../src/lib/abort.ts";
import {
  ModelError,
  type ModelErrorOptions,
  type ModelReply,
  type ModelRequest,
} from "../../src/models/model-port.ts";
import { ScriptedModels } from "../../test/scripted-models.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";

/** How a model may take a call. */
const manners = {
  talk: 52,
  tools: 26,
  fail: 7,
  fail_midway: 4,
  slow: 4,
  silent: 2,
  huge: 2,
  cut_off: 2,
  empty: 1,
} as const;

export type ModelWeights = Readonly<Record<keyof typeof manners, number>>;

/** Providers that say nothing are given up on by the adapter; here it happens sooner, since nothing else would be seen. */
const silenceMs = 12_000;

const retryable = ["overloaded", "rate_limit", "timeout", "network", "server"] as const;
const final = ["auth", "invalid_request", "content_filter", "quota", "context_overflow"] as const;

/** Windows small enough that long chats are compacted. */
const windows: Readonly<Record<string, number>> = { "sim/large": 200_000, "sim/small": 1_500 };

export interface SimModelsOptions {
  readonly process: SimProcess;
  readonly rng: Rng;
  readonly weights?: Partial<ModelWeights>;
  readonly onCall?: (request: ModelRequest, manner: string) => void;
}

/** Model providers as one replica sees them: what they answer, and how, is drawn anew for each call. */
export class SimModels extends ScriptedModels {
  readonly #options: SimModelsOptions;
  #calls = 0;

  constructor(options: SimModelsOptions) {
    super("sim");
    this.#options = options;
    for (const [id, tokens] of Object.entries(windows)) this.windows.set(id, tokens);
  }

  override async stream(
    request: ModelRequest,
    onPart: (live: LivePart) => void,
  ): Promise<ModelReply> {
    const rng = this.#options.rng.fork(`call ${++this.#calls}`);
    const speaker = new Speaker(request, onPart, this.#options.process, rng);
    const manner = mannerOf(request, rng, { ...manners, ...this.#options.weights });
    this.#options.onCall?.(request, manner);
    const finish_reason = await perform(manner, speaker, rng);
    return {
      parts: speaker.parts,
      finish_reason,
      usage: { input_tokens: tokensOf(request), output_tokens: speaker.parts.length },
      model: request.model,
      skipped_events: 0,
    };
  }

  override defaultModel(): string {
    return "sim/large";
  }
}

function tokensOf(request: ModelRequest): number {
  return Math.ceil(JSON.stringify(request.messages).length / 4);
}

function mannerOf(request: ModelRequest, rng: Rng, weights: ModelWeights): keyof typeof manners {
  if (request.purpose === "compaction") {
    return rng.weighted({ ...weights, tools: 0, empty: 0, cut_off: 0 });
  }
  const lastUser = request.messages.findLastIndex(({ role }) => role === "user");
  const steps = request.messages.length - 1 - lastUser;
  // Turns end: the further one has come, the rarer another batch of tools.
  const tools = request.tools.length === 0 ? 0 : weights.tools * 0.6 ** steps;
  return rng.weighted({ ...weights, tools });
}

async function perform(manner: keyof typeof manners, it: Speaker, rng: Rng): Promise<FinishReason> {
  await it.wait(rng.exponential(60));
  switch (manner) {
    case "talk":
      await it.talk(rng.int(1, 25), 60);
      return "stop";
    case "slow":
      await it.talk(rng.int(5, 20), 900);
      return "stop";
    case "huge":
      await it.talk(rng.int(60, 150), 8, 400);
      return "stop";
    case "cut_off":
      await it.talk(rng.int(1, 10), 60);
      return rng.pick(["length", "content_filter"] as const);
    case "empty":
      return "stop";
    case "fail":
      throw failure(rng, rng.chance(0.8));
    case "fail_midway":
      await it.talk(rng.int(2, 12), 60);
      throw failure(rng, true);
    case "silent":
      if (rng.chance(0.5)) await it.talk(rng.int(1, 6), 60);
      await it.wait(silenceMs);
      throw error("stream_silence", true);
    case "tools":
      if (rng.chance(0.4)) await it.talk(rng.int(1, 5), 60);
      for (let i = rng.pick([1, 1, 1, 2, 3]); i > 0; i--) {
        // oxlint-disable-next-line no-await-in-loop
        await it.call(i);
      }
      return "tool_calls";
    default:
      throw new Error(`no manner ${String(manner)}`);
  }
}

function failure(rng: Rng, again: boolean): ModelError {
  const kind = rng.pick<ModelErrorOptions["kind"]>(again ? retryable : final);
  const retryAfter = kind === "rate_limit" && rng.chance(0.5) ? rng.int(500, 5_000) : undefined;
  return error(kind, again, retryAfter);
}

function error(
  kind: ModelErrorOptions["kind"],
  retryable: boolean,
  retry_after_ms?: number,
): ModelError {
  const message = `simulated: ${kind}`;
  const after = retry_after_ms === undefined ? {} : { retry_after_ms };
  return new ModelError({ kind, message, retryable, provider: "sim", ...after });
}

/** Says things a little at a time; an abort ends it. */
class Speaker {
  readonly parts: Part[] = [];
  readonly #request: ModelRequest;
  readonly #onPart: (live: LivePart) => void;
  readonly #process: SimProcess;
  readonly #rng: Rng;

  constructor(
    request: ModelRequest,
    onPart: (live: LivePart) => void,
    process: SimProcess,
    rng: Rng,
  ) {
    this.#request = request;
    this.#onPart = onPart;
    this.#process = process;
    this.#rng = rng;
  }

  async wait(ms: number): Promise<void> {
    const { signal } = this.#request;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = this.#process.timer(ms, "model", resolve);
    const off = onAbort(signal, () => reject(error("cancelled", false)));
    try {
      await promise;
    } finally {
      timer.cancel();
      off();
    }
  }

  async talk(words: number, pauseMs: number, wordChars = 4): Promise<void> {
    const index = this.parts.length;
    let text = "";
    for (let i = 0; i < words; i++) {
      const delta = `${this.#rng.int(0, 35).toString(36).repeat(wordChars)} `;
      text += delta;
      this.#live({ type: "text", index, delta });
      // Some come in one piece of the network, most with a pause between them.
      // oxlint-disable-next-line no-await-in-loop
      if (this.#rng.chance(0.8)) await this.wait(this.#rng.exponential(pauseMs));
    }
    this.#live({ type: "text", index, text });
  }

  async call(n: number): Promise<void> {
    const tool = this.#rng.pick(this.#request.tools);
    const index = this.parts.length;
    // Some providers give the same ids again and again.
    const tool_call_id = this.#rng.chance(0.2) ? `call_${n}` : `call_${this.#rng.int(0, 1e9)}`;
    const input = inputOf(tool.name, this.#rng, agentsIn(this.#request));
    const input_delta = JSON.stringify(input);
    this.#live({ type: "tool-call", index, tool_call_id, tool_name: tool.name, input_delta });
    await this.wait(this.#rng.exponential(40));
    this.#live({ type: "tool-call", index, tool_call_id, tool_name: tool.name, input });
  }

  #live(part: LivePart): void {
    foldInto(this.parts, part);
    this.#onPart(part);
  }
}

/** Ids of sub-agents, as the model has been told of them. */
function agentsIn({ messages }: ModelRequest): string[] {
  const said = JSON.stringify(messages.filter(({ role }) => role === "tool"));
  return [...said.matchAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{22}/g)].map(([id]) => id);
}

function inputOf(
  tool: string,
  rng: Rng,
  agents: readonly string[],
): Record<string, string | number> {
  const id = agents.length === 0 ? "00000000-0000-7000-8000-000000000000" : rng.pick(agents);
  switch (tool) {
    case "spawn_agent":
      return { prompt: `work ${rng.int(0, 1e6)}` };
    case "wait_agents":
      return { timeout_seconds: rng.int(0, 20) };
    case "message_agent":
      return { id, content: `more ${rng.int(0, 1e6)}` };
    case "stop_agent":
      return { id };
    case "list_agents":
      return {};
    default:
      return { n: rng.int(0, 1e6) };
  }
}
