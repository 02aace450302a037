import type { Scheduler } from "../scheduler.ts";
import type { SimProcess } from "../process.ts";
import type { NetworkWeather } from "./weather.ts";

export interface PipeDeps {
  readonly scheduler: Scheduler;
  latencyMs(): number;
  /** Whether anything gets through now. */
  passes(): boolean;
  /** Hands over what has come through. */
  deliver(fn: () => void): void;
}

/** How soon what did not get through is tried again. */
const retryMs = 200;

/**
 * One direction of a connection: what goes in comes out in order, later. Where nothing passes for a while it waits, as
 * TCP's repetitions would have it; a connection that is cut meanwhile never delivers it.
 */
export class Pipe {
  readonly #deps: PipeDeps;
  #lastMs = 0;
  #over = false;
  #retrying = false;
  readonly #held: (() => void)[] = [];

  constructor(deps: PipeDeps) {
    this.#deps = deps;
  }

  /** When the newest that was sent is due. */
  get lastMs(): number {
    return this.#lastMs;
  }

  send(arrive: () => void, slowMs = 0): void {
    const { scheduler } = this.#deps;
    const { nowMs } = scheduler;
    this.#lastMs = Math.max(this.#lastMs, nowMs + slowMs + this.#deps.latencyMs());
    scheduler.after(this.#lastMs - nowMs, () => {
      this.#held.push(arrive);
      this.#flush();
    });
  }

  cut(): void {
    this.#over = true;
    this.#held.length = 0;
  }

  #flush(): void {
    while (!this.#over && this.#held.length > 0) {
      if (!this.#deps.passes()) return this.#retry();
      const arrive = this.#held.shift();
      if (arrive) this.#deps.deliver(arrive);
    }
  }

  #retry(): void {
    if (this.#retrying) return;
    this.#retrying = true;
    this.#deps.scheduler.after(retryMs, () => {
      this.#retrying = false;
      this.#flush();
    });
  }
}

/** From one simulated process to another. */
export function pipeBetween(
  scheduler: Scheduler,
  weather: NetworkWeather,
  from: SimProcess,
  to: SimProcess,
): Pipe {
  return new Pipe({
    scheduler,
    latencyMs: () => weather.latencyMs(from, to),
    passes: () => weather.passes(from, to),
    deliver: (fn) => to.deliver(fn),
  });
}
