import { linked, orAborted } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Scope } from "../../lib/scope.ts";
import { RelayError } from "./errors.ts";

/** A database that does not answer keeps nobody from his parts: an owner that is none any more has nothing to say. */
const recheckMs = 5_000;

export interface RecheckDeps {
  /**
   * The link to the owner of these chats was lost. Resolves when their rows have been read again and follows that are
   * for another owner now have been moved; the others are asked for again after that.
   */
  readonly recheck: (chatIds: readonly string[]) => Promise<void>;
  readonly clock: Pick<Clock, "timer">;
  readonly logger: Logger;
}

/** Holds back what was followed over a link that was lost, until the rows have been read again. */
export class Recheck {
  readonly #deps: RecheckDeps;
  readonly #scope: Scope;
  /** Gives back the streams that are still wanted; called at most once for each time they were held. */
  readonly #released: (streams: readonly number[]) => void;
  readonly #held = new Set<number>();
  #runs = false;

  constructor(deps: RecheckDeps, scope: Scope, released: (streams: readonly number[]) => void) {
    this.#deps = deps;
    this.#scope = scope;
    this.#released = released;
  }

  holds(stream: number): boolean {
    return this.#held.has(stream);
  }

  forget(stream: number): void {
    this.#held.delete(stream);
  }

  /** One read at a time: a link that fails again in the meantime waits for the same. */
  hold(streams: Iterable<number>, chatIds: Iterable<string>): void {
    for (const stream of streams) this.#held.add(stream);
    if (this.#runs || this.#held.size === 0) return;
    this.#runs = true;
    const ids = [...new Set(chatIds)];
    void this.#scope.run("relay recheck", async (signal) => {
      try {
        await this.#read(ids, signal);
      } finally {
        this.#runs = false;
      }
      if (signal.aborted) return;
      const held = [...this.#held];
      this.#held.clear();
      this.#released(held);
    });
  }

  async #read(chatIds: readonly string[], signal: AbortSignal): Promise<void> {
    const { recheck, clock, logger } = this.#deps;
    const wait = linked(signal);
    const late = new RelayError("relay_timeout", "The rows were not read in time.");
    const timer = clock.timer(recheckMs, "relay.recheck", () => wait.abort(late));
    try {
      await orAborted(recheck(chatIds), wait.signal);
    } catch (err) {
      if (signal.aborted) return;
      logger.warn({ err }, "chats could not be read again after a relay link failed");
    } finally {
      timer.cancel();
      wait.dispose();
    }
  }
}
