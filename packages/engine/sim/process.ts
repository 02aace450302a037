import { sleepWith, type Clock, type Timer } from "../src/lib/clock.ts";
import type { Rng } from "./rng.ts";
import { epochMs, type Scheduler } from "./scheduler.ts";
import { runInside } from "./globals.ts";

export type ProcessState = "running" | "paused" | "dead";

/** A timer is late by up to this, as on a machine that does other things too: it mixes what would run in lockstep. */
const lateMsMax = 0.8;

export interface ProcessOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  /** How far its wall clock is from the world's. */
  readonly skewMs?: number;
}

/**
 * What runs in one simulated operating-system process: a replica's server, or a client's device. Everything reaches it
 * through `deliver`. While it is paused that waits; once it is dead nothing arrives any more, so that whatever its code
 * was waiting for never comes: all memory gone, and no clean-up runs.
 */
export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #rng: Rng;
  readonly #startedMs: number;
  readonly #timers = new Map<symbol, string>();
  #state: ProcessState = "running";
  #waiting: (() => void)[] = [];
  skewMs: number;

  constructor(options: ProcessOptions) {
    const { name, scheduler, rng, skewMs = 0 } = options;
    this.name = name;
    this.#scheduler = scheduler;
    this.#rng = rng;
    this.#startedMs = scheduler.nowMs;
    this.skewMs = skewMs;
    this.clock = {
      now: () => Math.floor(this.wallMs),
      monotonic: () => this.#scheduler.nowMs - this.#startedMs,
      sleep: (ms, label, signal) => sleepWith(this.clock, ms, label, signal),
      timer: (ms, label, fn) => this.timer(ms, label, fn),
    };
  }

  get state(): ProcessState {
    return this.#state;
  }

  get wallMs(): number {
    return epochMs + this.#scheduler.nowMs + this.skewMs;
  }

  /** Labels of the timers that are set. */
  get timers(): readonly string[] {
    return [...this.#timers.values()];
  }

  /** Something from outside arrives: now, when the process wakes, or never. */
  deliver(fn: () => void): void {
    if (this.#state === "dead") return;
    if (this.#state === "paused") this.#waiting.push(fn);
    else runInside(this, fn);
  }

  timer(ms: number, label: string, fn: () => void): Timer {
    const key = Symbol(label);
    if (this.#state === "dead") return { cancel: () => {} };
    this.#timers.set(key, label);
    const due = this.#scheduler.after(Math.max(0, ms) + this.#rng.float() * lateMsMax, () =>
      this.deliver(() => {
        if (this.#timers.delete(key)) fn();
      }),
    );
    return {
      cancel: () => {
        this.#timers.delete(key);
        due.cancel();
      },
    };
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** Goes on as if nothing had happened; what has come meanwhile arrives at once. */
  wake(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    for (const fn of this.#waiting.splice(0)) this.#scheduler.after(0, () => this.deliver(fn));
  }

  kill(): void {
    this.#state = "dead";
    this.#waiting = [];
    this.#timers.clear();
  }
}
