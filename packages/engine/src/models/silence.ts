import type { Clock, Timer } from "../lib/clock.ts";

export interface SilenceLimits {
  /** From the call to the provider's first event. */
  firstEventMs: number;
  /** Between two events: long, since reasoning models think in silence. */
  betweenEventsMs: number;
}

export const silenceDefaults: SilenceLimits = {
  firstEventMs: 120_000,
  betweenEventsMs: 10 * 60_000,
};

/** Calls `onSilence` once when a provider has said nothing for too long. Keep-alives do not count as saying something. */
export class SilenceGuard implements Disposable {
  readonly #clock: Pick<Clock, "timer" | "monotonic">;
  readonly #limits: SilenceLimits;
  readonly #onSilence: (silentMs: number) => void;
  #timer: Timer;
  #lastAt: number;
  #limitMs: number;

  constructor(
    clock: Pick<Clock, "timer" | "monotonic">,
    limits: SilenceLimits,
    onSilence: (silentMs: number) => void,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onSilence = onSilence;
    this.#lastAt = clock.monotonic();
    this.#limitMs = limits.firstEventMs;
    this.#timer = clock.timer(this.#limitMs, "model first event", this.#look);
  }

  /** An event came. Cheap: only the first one touches the timer. */
  heard(): void {
    this.#lastAt = this.#clock.monotonic();
    if (this.#limitMs === this.#limits.betweenEventsMs) return;
    this.#limitMs = this.#limits.betweenEventsMs;
    this.#timer.cancel();
    this.#timer = this.#clock.timer(this.#limitMs, "model next event", this.#look);
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
  }

  readonly #look = (): void => {
    const silentMs = this.#clock.monotonic() - this.#lastAt;
    const leftMs = this.#limitMs - silentMs;
    // Timers may fire a fraction of a millisecond early.
    if (leftMs < 1) this.#onSilence(silentMs);
    else this.#timer = this.#clock.timer(leftMs, "model next event", this.#look);
  };
}
