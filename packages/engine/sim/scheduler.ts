/** One thing that will happen. */
export interface Scheduled {
  cancel(): void;
}

interface Entry {
  atMs: number;
  order: number;
  fn: (() => void) | null;
}

/** Turns of the event loop after each happening: promise chains that pass through `setImmediate` come to rest in them. */
const settleTurns = 2;

/** 2026-01-01T00:00:00Z: a fixed start, so that a trace reads the same every time. */
export const epochMs = Date.UTC(2026, 0, 1);

/**
 * The world's clock and what is going to happen. Time stands still while anything runs: it moves on to the next
 * happening only when the process is at rest. Two things at one time happen in the order in which they were arranged.
 */
export class Scheduler {
  #nowMs = 0;
  #order = 0;
  #happenings = 0;
  readonly #heap: Entry[] = [];

  /** Milliseconds since the world began, with fractions. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Wall time of the world, and of its database. */
  get wallMs(): number {
    return epochMs + this.#nowMs;
  }

  /** How many things have happened. */
  get happenings(): number {
    return this.#happenings;
  }

  after(ms: number, fn: () => void): Scheduled {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, fn };
    this.#push(entry);
    return { cancel: () => void (entry.fn = null) };
  }

  /** Lets everything happen that is due within `ms`. Ends early, at rest, when `stop` says so. */
  async run(ms: number, stop: () => boolean = () => false): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.#settle();
    while (!stop()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      if (next.fn === null) continue;
      this.#nowMs = next.atMs;
      this.#happenings += 1;
      next.fn();
      // oxlint-disable-next-line no-await-in-loop
      await this.#settle();
    }
    if (!stop()) this.#nowMs = untilMs;
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < settleTurns; turn++) {
      // oxlint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent])) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child])) child += 1;
      if (!before(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry | undefined): boolean {
  return b === undefined || a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
