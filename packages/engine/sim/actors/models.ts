import type { FinishReason, LivePart, Part, Usage } from "@parley/protocol";
import type {
  ModelError,
  ModelErrorOptions,
  ModelReply,
  ModelRequest,
} from "../../src/models/model-port.ts";
import { ScriptedModels } from "../../test/scripted-models.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";
import { modelError, Speaker, tokensIn } from "./speaker.ts";

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
  // Only when a run comes to its end.
  brief: 0,
} as const;

export type ModelWeights = Readonly<Record<keyof typeof manners, number>>;

/** Providers that say nothing are given up on by the adapter; here it happens sooner, since nothing else would be seen. */
const silenceMs = 12_000;

/** What is said where JSON was asked for: right, nearly right, or nothing like it. */
const forms = {
  '{"n": 7}': 5,
  'Here it is:\n```json\n{"n": 12}\n```': 2,
  '{"n": "seven"}': 2,
  '{"n": 1.5}': 1,
  '{"n": 3, "more": true}': 1,
  "[]": 1,
  '{"n": ': 1,
  "I would rather not.": 1,
} as const;

const retryable = ["overloaded", "rate_limit", "timeout", "network", "server"] as const;
const final = ["auth", "invalid_request", "content_filter", "quota", "context_overflow"] as const;

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
  /** Whether the run comes to its end: every answer is then a short last word. */
  readonly isEnding: () => boolean;
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
    const weights = { ...manners, ...this.#options.weights };
    const manner = this.#options.isEnding() ? "brief" : mannerOf(request, rng, weights);
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
      if (it.isAskedForForm) await it.fillIn(rng.weighted(forms), rng.exponential(60));
      else await it.talk(rng.int(1, 25), 60);
      return "stop";
    case "brief":
      if (it.isAskedForForm) await it.fillIn('{"n": 1}', 60);
      else await it.talk(rng.int(1, 3), 60);
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
      throw modelError("stream_silence", true);
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
  return modelError(kind, again, retryAfter);
}
