import { sleepWith, type Clock, type Timer } from "./clock.ts";

interface PendingTimer {
  label: string;
  dueAt: number;
  order: number;
  fn: () => void;
}

/** 2026-01-01T00:00:00Z: a fixed start, so that what a test prints is the same every time. */
const epochMs = Date.UTC(2026, 0, 1);

/** Turns of the event loop between two timers: enough for promise chains that pass through I/O callbacks. */
const flushTurns = 3;

/** A clock that moves only when told to. */
export class ManualClock implements Clock {
  #elapsedMs = 0;
  #order = 0;
  readonly #startMs: number;
  readonly #timers = new Set<PendingTimer>();
  readonly #waiters = new Set<{ label: string; resolve: () => void }>();

  constructor(startMs: number = epochMs) {
    this.#startMs = startMs;
  }

  now(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  sleep(ms: number, label: string, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, ms, label, signal);
  }

  timer(ms: number, label: string, fn: () => void): Timer {
    const timer: PendingTimer = {
      label,
      dueAt: this.#elapsedMs + Math.max(0, ms),
      order: this.#order++,
      fn,
    };
    this.#timers.add(timer);
    for (const waiter of this.#waiters) {
      if (waiter.label !== label) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** The timers that are set, earliest first; `dueAt` is in `monotonic()` time. */
  pending(): { label: string; dueAt: number }[] {
    return [...this.#timers].sort(byDue).map(({ label, dueAt }) => ({ label, dueAt }));
  }

  /** Resolves as soon as a timer with this label is set (at once when one is). */
  waitForTimer(label: string): Promise<void> {
    for (const timer of this.#timers) if (timer.label === label) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.add({ label, resolve }));
  }

  /** Moves time by `ms`: runs each due timer in order at its own time, letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const target = this.#elapsedMs + ms;
    await flush();
    for (;;) {
      const next = [...this.#timers].sort(byDue)[0];
      if (!next || next.dueAt > target) break;
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueAt);
      next.fn();
      // One timer after the other, on purpose: what the first one starts may cancel the second.
      await flush();
    }
    this.#elapsedMs = target;
  }
}

function byDue(a: PendingTimer, b: PendingTimer): number {
  return a.dueAt - b.dueAt || a.order - b.order;
}

async function flush(): Promise<void> {
  for (let turn = 0; turn < flushTurns; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
