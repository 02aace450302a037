import { foldInto, type LivePart, type Part } from "@parley/protocol";
import { onAbort } from "../../src/lib/abort.ts";
import {
  ModelError,
  type ModelErrorOptions,
  type ModelRequest,
} from "../../src/models/model-port.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";

/** Tools that wait for somebody. */
const asksPeople: ReadonlySet<string> = new Set(["deploy", "ask"]);

/** Room for what comes at once: a word of the longest, some calls. */
const tokensLeftOver = 120;

/** Four letters to a token, as it is with English; pictures count a little. */
export function tokensIn(parts: readonly Part[]): number {
  const counted = parts.map((part) => (part.type === "file" ? { type: part.type } : part));
  return Math.ceil(JSON.stringify(counted).length / 4);
}

export function modelError(
  kind: ModelErrorOptions["kind"],
  retryable: boolean,
  retry_after_ms?: number,
): ModelError {
  const message = `simulated: ${kind}`;
  const after = retry_after_ms === undefined ? {} : { retry_after_ms };
  return new ModelError({ kind, message, retryable, provider: "sim", ...after });
}

/** Says things a little at a time; an abort ends it. */
export class Speaker {
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
    const off = onAbort(signal, () => reject(modelError("cancelled", false)));
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

  /** What was asked for as JSON, or is said in its place. */
  async fillIn(text: string, pauseMs: number): Promise<void> {
    const index = this.parts.length;
    this.#live({ type: "text", index, delta: text });
    await this.wait(pauseMs);
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
