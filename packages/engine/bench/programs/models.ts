import { foldInto, type LivePart, type Part } from "@parley/protocol";
import { onAbort } from "../../src/lib/abort.ts";
import type {
  ModelInfo,
  ModelPort,
  ModelReply,
  ModelRequest,
} from "../../src/models/model-port.ts";
import { unknownTraits } from "../../src/models/model-table.ts";
import { Pacer, stamped } from "../rig/pace.ts";
import { nowMs } from "../rig/time.ts";

/** Each in a turn of the event loop of its own, as from a network. */
async function sayFixed(say: (text: string) => void): Promise<void> {
  for (let i = 0; i < fixedParts; i++) {
    say("t=0;lorem ipsum dolor sit amet consectetur adipisicing elit");
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const fixedParts = 20;

/**
 * Models in the replica's own process, so that what is measured is the replica and not a provider's wire. `bench/paced`
 * speaks when it is told to, `bench/short` answers at once, `bench/fixed` says the same every time.
 */
export class BenchModels implements ModelPort {
  readonly #pacer = new Pacer();
  readonly #speaking = new Map<(text: string) => void, () => void>();

  /** When models were called, by the machine's clock. */
  readonly calledAt: number[] = [];

  /** Replies of `bench/paced` under way. */
  get speaking(): number {
    return this.#speaking.size;
  }

  start(gapMs: number): void {
    this.#pacer.start(gapMs, [...this.#speaking.keys()]);
  }

  /** Says nothing more for now. */
  pause(): void {
    this.#pacer.stop();
  }

  /** One part in every reply under way. */
  say(text: string): void {
    for (const say of this.#speaking.keys()) say(stamped(text));
  }

  stop(): void {
    this.#pacer.stop();
    for (const end of this.#speaking.values()) end();
    this.#speaking.clear();
  }

  async stream(request: ModelRequest, onPart: (live: LivePart) => void): Promise<ModelReply> {
    this.calledAt.push(nowMs());
    const parts: Part[] = [];
    const say = (delta: string): void => {
      const part: LivePart = { type: "text", index: 0, delta };
      foldInto(parts, part);
      onPart(part);
    };
    if (request.model === "bench/paced") await this.#whilePaced(request.signal, say);
    else if (request.model === "bench/fixed") await sayFixed(say);
    else for (let i = 0; i < 3; i++) say(stamped());
    if (parts.length === 0) say("Nothing was asked for.");
    return {
      parts,
      finish_reason: "stop",
      usage: { input_tokens: 1, output_tokens: 1 },
      model: request.model,
      skipped_events: 0,
    };
  }

  async #whilePaced(signal: AbortSignal, say: (text: string) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#speaking.set(say, resolve);
    const off = onAbort(signal, () => resolve());
    await promise;
    off();
    this.#speaking.delete(say);
  }

  has(model: string): boolean {
    return model.startsWith("bench/");
  }

  providers(): string[] {
    return ["bench"];
  }

  list(): ModelInfo[] {
    return [];
  }

  defaultModel(): string {
    return "bench/short";
  }

  info(id: string): ModelInfo | null {
    if (!this.has(id)) return null;
    return { id, provider: "bench", name: id.slice("bench/".length), ...unknownTraits };
  }

  optionsOf(): readonly string[] {
    return [];
  }
}
