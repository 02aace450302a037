import { createHash, type Hash } from "node:crypto";

/** Lines that a failure shows: enough to see what led to it. */
const tailLinesMax = 4_000;

/**
 * What happened, in order, a line each: `seconds who what`. Ids that the database or a clock made up stand in it as they
 * are, since they are the same in every run of a seed; addresses in memory and real durations never do.
 */
export class Trace {
  readonly #nowMs: () => number;
  readonly #hash: Hash = createHash("sha256");
  readonly #sink: ((line: string) => void) | null;
  #lines = 0;
  #tail: string[] = [];

  constructor(nowMs: () => number, sink: ((line: string) => void) | null = null) {
    this.#nowMs = nowMs;
    this.#sink = sink;
  }

  add(who: string, what: string): void {
    const line = `${(this.#nowMs() / 1000).toFixed(6)} ${who} ${what}`;
    this.#hash.update(line).update("\n");
    this.#lines += 1;
    this.#tail.push(line);
    if (this.#tail.length > 2 * tailLinesMax) this.#tail = this.#tail.slice(-tailLinesMax);
    this.#sink?.(line);
  }

  get lines(): number {
    return this.#lines;
  }

  /** The newest lines, those last that happened last. */
  tail(count: number): readonly string[] {
    return this.#tail.slice(-count);
  }

  /** Of all lines up to now. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}
