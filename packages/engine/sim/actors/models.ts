import {
  foldInto,
  type FinishReason,
  type LivePart,
  type Part,
  type Usage,
} from "@parley/protocol";
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

/** Tools that wait for somebody. */
const asksPeople: ReadonlySet<string> = new Set(["deploy", "ask"]);

/** What each costs, in US dollars per million tokens. */
export const simPrices = {
  "sim/large": { input: 3, output: 15 },
  "sim/small": { input: 0.3, output: 1.2 },
} as const;

/** Windows small enough that long chats are compacted. */
const windows: Readonly<Record<string, number>> = { "sim/large": 200_000, "sim/small": 1_500 };

export interface SimModelsOptions {
  readonly process: SimProcess;
  readonly rng: Rng;
  readonly weights?: Partial<ModelWeights>;
  readonly onCall?: (request: ModelRequest, manner: string) => void;
  readonly onReply?: (request: ModelRequest, reply: ModelReply) => void;
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
    const meant = await perform(manner, speaker, rng);
    const finish_reason = speaker.isCut ? "length" : meant;
    const reply: ModelReply = {
      parts: speaker.parts,
      finish_reason,
      usage: usageOf(request, speaker.parts),
      model: request.model,
      skipped_events: 0,
    };
    this.#options.onReply?.(request, reply);
    return reply;
  }

  override defaultModel(): string {
    return "sim/large";
  }
}

function usageOf({ messages, output_tokens_max }: ModelRequest, said: readonly Part[]): Usage {
  const most = output_tokens_max ?? Number.POSITIVE_INFINITY;
  return {
    input_tokens: tokensIn(messages.flatMap(({ parts }) => parts)),
    // A provider cuts the reply there.
    output_tokens: Math.min(tokensIn(said), most),
  };
}

/** Room for what comes at once: a word of the longest, some calls. */
const tokensLeftOver = 120;

/** Four letters to a token, as it is with English; pictures count a little. */
function tokensIn(parts: readonly Part[]): number {
  const counted = parts.map((part) => (part.type === "file" ? { type: part.type } : part));
  return Math.ceil(JSON.stringify(counted).length / 4);
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
      if (it.isAskedForForm) await it.fillIn(rng);
      else await it.talk(rng.int(1, 25), 60);
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
  /** It had more to say. */
  isCut = false;
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
      if (this.#isFull()) break;
      const delta = `${this.#rng.int(0, 35).toString(36).repeat(wordChars)} `;
      text += delta;
      this.#live({ type: "text", index, delta });
      // Some come in one piece of the network, most with a pause between them.
      // oxlint-disable-next-line no-await-in-loop
      if (this.#rng.chance(0.8)) await this.wait(this.#rng.exponential(pauseMs));
    }
    this.#live({ type: "text", index, text });
  }

  /** As much was said as is paid for: the provider cuts the reply here. */
  #isFull(): boolean {
    const most = this.#request.output_tokens_max;
    this.isCut ||= most !== undefined && tokensIn(this.parts) > most - tokensLeftOver;
    return this.isCut;
  }

  get isAskedForForm(): boolean {
    return (this.#request.response_format ?? null) !== null;
  }

  /** What was asked for as JSON: right, nearly right, or nothing like it. */
  async fillIn(rng: Rng): Promise<void> {
    const index = this.parts.length;
    const text = rng.weighted({
      '{"n": 7}': 5,
      'Here it is:\n```json\n{"n": 12}\n```': 2,
      '{"n": "seven"}': 2,
      '{"n": 1.5}': 1,
      '{"n": 3, "more": true}': 1,
      "[]": 1,
      '{"n": ': 1,
      "I would rather not.": 1,
    });
    this.#live({ type: "text", index, delta: text });
    await this.wait(rng.exponential(60));
    this.#live({ type: "text", index, text });
  }

  async call(n: number): Promise<void> {
    const tool = this.#toolToCall();
    const index = this.parts.length;
    // Some providers give the same ids again and again.
    const tool_call_id = this.#rng.chance(0.2) ? `call_${n}` : `call_${this.#rng.int(0, 1e9)}`;
    const input = inputOf(tool.name, this.#rng, agentsIn(this.#request));
    const input_delta = JSON.stringify(input);
    this.#live({ type: "tool-call", index, tool_call_id, tool_name: tool.name, input_delta });
    await this.wait(this.#rng.exponential(40));
    this.#live({ type: "tool-call", index, tool_call_id, tool_name: tool.name, input });
  }

  /** What people are asked about comes more often than one tool of many. */
  #toolToCall(): ModelRequest["tools"][number] {
    const { tools } = this.#request;
    const asking = tools.filter(({ name }) => asksPeople.has(name));
    return this.#rng.pick(asking.length > 0 && this.#rng.chance(0.5) ? asking : tools);
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
