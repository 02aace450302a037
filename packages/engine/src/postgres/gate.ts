import type { Clock, Timer } from "../lib/clock.ts";
import { DatabaseUnavailable } from "./errors.ts";

/**
 * Why somebody wants a connection. "work": turns, calls and streams, of which there may be any number at once.
 * "upkeep": what keeps the replica and its chats alive (takeover's searches, checkpoints, audits, polls), a few at a time.
 */
export type Lane = "work" | "upkeep";

/** Connections that work leaves to upkeep. Upkeep is loops that each have one statement in flight: two seldom wait. */
const reservedMax = 2;

export interface GateOptions {
  /** Connections that there are. */
  readonly size: number;
  /** How long to wait for one. */
  readonly waitMs: number;
  readonly clock: Clock;
  /** Told of everyone who has come in, or has given up. */
  readonly onWaited: (lane: Lane, ms: number) => void;
}

/**
 * Stands in front of the pool, so that nobody waits inside of it: a burst of work waits here, in order of arrival, and
 * upkeep goes past it. A pool of one has nothing to reserve: there, upkeep only comes first.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #most: Readonly<Record<Lane, number>>;
  readonly #held: Record<Lane, number> = { work: 0, upkeep: 0 };
  readonly #waiting: Record<Lane, Set<Waiter>> = { work: new Set(), upkeep: new Set() };

  constructor(options: GateOptions) {
    const { size } = options;
    this.#options = options;
    const reserved = Math.min(reservedMax, Math.floor(size / 2));
    // Upkeep leaves one to work, too: no sweep of it may stop the chats.
    this.#most = { work: size - reserved, upkeep: Math.max(1, size - 1) };
  }

  waiting(lane: Lane): number {
    return this.#waiting[lane].size;
  }

  /**
   * Gives the way out, which is to be taken once.
   *
   * @throws DatabaseUnavailable ("pool") when no connection became free in time.
   */
  enter(lane: Lane): Promise<() => void> {
    const { waitMs, clock, onWaited } = this.#options;
    const since = clock.monotonic();
    return new Promise((resolve, reject) => {
      const come = (): void => {
        this.#held[lane] += 1;
        onWaited(lane, clock.monotonic() - since);
        resolve(() => this.#leave(lane));
      };
      if (this.#hasRoom(lane)) {
        come();
        return;
      }
      const giveUp = (): void => {
        this.#waiting[lane].delete(waiter);
        onWaited(lane, clock.monotonic() - since);
        reject(new DatabaseUnavailable("pool"));
      };
      const waiter = { come, timer: clock.timer(waitMs, "database.gate", giveUp) };
      this.#waiting[lane].add(waiter);
    });
  }

  #leave(lane: Lane): void {
    this.#held[lane] -= 1;
    this.#admit("upkeep");
    this.#admit("work");
  }

  #admit(lane: Lane): void {
    for (const waiter of this.#waiting[lane]) {
      if (!this.#hasRoom(lane)) return;
      this.#waiting[lane].delete(waiter);
      waiter.timer.cancel();
      waiter.come();
    }
  }

  #hasRoom(lane: Lane): boolean {
    const { work, upkeep } = this.#held;
    return work + upkeep < this.#options.size && this.#held[lane] < this.#most[lane];
  }
}

interface Waiter {
  readonly come: () => void;
  readonly timer: Timer;
}
