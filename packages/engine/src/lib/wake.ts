import { onAbort } from "./abort.ts";
import type { Clock } from "./clock.ts";

export type WakeReason = "set" | "timeout" | "aborted";

/**
 * One slot: any number of `set` before the next `wait` is one wake. What loops wait on, so that a storm of
 * hints is one pass. For one waiter.
 */
export class Wake {
  #flag = false;
  #notify: (() => void) | undefined;

  set(): void {
    this.#flag = true;
    this.#notify?.();
  }

  /** Whether a `set` is waiting to be seen. */
  get pending(): boolean {
    return this.#flag;
  }

  /** Waits for `set`, the signal, or `timeoutMs`. An abort wins, then a flag that is set; only "set" clears it. */
  async wait(
    signal?: AbortSignal,
    clock?: Pick<Clock, "timer">,
    timeoutMs?: number,
    label = "wake",
  ): Promise<WakeReason> {
    if (signal?.aborted) return "aborted";
    if (!this.#flag) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#notify = resolve;
      const off = signal ? onAbort(signal, () => resolve()) : undefined;
      const timer =
        clock && timeoutMs !== undefined ? clock.timer(timeoutMs, label, resolve) : undefined;
      try {
        await promise;
      } finally {
        this.#notify = undefined;
        off?.();
        timer?.cancel();
      }
    }
    if (signal?.aborted) return "aborted";
    if (!this.#flag) return "timeout";
    this.#flag = false;
    return "set";
  }
}
