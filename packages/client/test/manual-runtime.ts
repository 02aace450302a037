import type { Runtime } from "../src/runtime.ts";

interface Pending {
  label: string;
  dueMs: number;
  fn: () => void;
}

/** Time that moves only when it is told to. */
export class ManualRuntime implements Runtime {
  #nowMs = 0;
  #uuids = 0;
  readonly #pending = new Set<Pending>();
  readonly #waiters = new Set<{ label: string; resolve: (ms: number) => void }>();
  readonly randoms: number[] = [];

  monotonicMs = () => this.#nowMs;
  wallMs = () => Date.UTC(2026, 0, 1) + this.#nowMs;
  random = () => this.randoms.shift() ?? 0;
  uuid = () => `key-${++this.#uuids}`;

  timer(ms: number, label: string, fn: () => void) {
    const timer = { label, dueMs: this.#nowMs + ms, fn };
    this.#pending.add(timer);
    for (const waiter of this.#waiters) {
      if (waiter.label !== label) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(ms);
    }
    return { cancel: () => void this.#pending.delete(timer) };
  }

  /** Resolves with the delay of the next timer of that name, or of the one that is set. */
  async timerSet(label: string): Promise<number> {
    for (const timer of this.#pending) {
      if (timer.label === label) return timer.dueMs - this.#nowMs;
    }
    return new Promise((resolve) => this.#waiters.add({ label, resolve }));
  }

  labels(): string[] {
    return [...this.#pending].map((timer) => timer.label);
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#pending]
        .filter((timer) => timer.dueMs <= untilMs)
        .sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#pending.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.fn();
    }
    this.#nowMs = untilMs;
  }

  /** Waits for the timer and lets it fire. */
  async fire(label: string): Promise<number> {
    const ms = await this.timerSet(label);
    this.advance(ms);
    return ms;
  }
}
