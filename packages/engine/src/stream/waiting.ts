import type { Waiting } from "@parley/protocol";
import type { Clock, Timer } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";

/** A chat that is handed from runner to runner is without one for a moment: not worth telling. */
export const waitingAfterMs = 2_000;

/** Between two questions about one chat: how soon a stream says that the reason is another, or is gone. */
const askAgainMs = 2_000;

/** What falls due within this time is asked in one query. */
const togetherMs = 500;

/** A feed whose chat could run and is driven by nobody. */
export interface WaitingFeed {
  readonly chatId: string;
  /** Monotonic; null: it does not wait any more. */
  readonly unownedSince: number | null;
  /** Undefined: there is no reason; it is about to be taken. */
  judged(waiting: Waiting | undefined): void;
}

export interface WaitingWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Why these chats wait. */
  readonly read: (chatIds: readonly string[]) => Promise<ReadonlyMap<string, Waiting>>;
}

/** Asks why chats wait: one query for all feeds of the replica, and none while every chat is driven. */
export class WaitingWatch {
  readonly #deps: WaitingWatchDeps;
  /** When each is to be asked about. */
  readonly #due = new Map<WaitingFeed, number>();
  #timer: Timer | undefined;
  #timerAt = 0;
  #asking: Promise<void> | null = null;
  #stopped = false;

  constructor(deps: WaitingWatchDeps) {
    this.#deps = deps;
  }

  /** To be called whenever `unownedSince` may have changed. */
  watch(feed: WaitingFeed): void {
    const { unownedSince } = feed;
    if (unownedSince === null) return this.forget(feed);
    if (this.#due.has(feed)) return;
    const due = unownedSince + waitingAfterMs;
    this.#due.set(feed, due);
    this.#arm(due);
  }

  forget(feed: WaitingFeed): void {
    this.#due.delete(feed);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#asking;
  }

  #arm(due: number): void {
    if (this.#stopped || this.#asking !== null || (this.#timer && this.#timerAt <= due)) return;
    this.#timer?.cancel();
    this.#timerAt = due;
    const ms = Math.max(0, due - this.#deps.clock.monotonic());
    this.#timer = this.#deps.clock.timer(ms, "stream.waiting", () => {
      this.#timer = undefined;
      this.#asking = this.#ask().finally(() => {
        this.#asking = null;
        if (this.#due.size > 0) this.#arm(Math.min(...this.#due.values()));
      });
    });
  }

  async #ask(): Promise<void> {
    const { clock, logger, read } = this.#deps;
    const now = clock.monotonic();
    const asked: WaitingFeed[] = [];
    for (const [feed, due] of this.#due) if (due <= now + togetherMs) asked.push(feed);
    if (asked.length === 0) return;
    for (const feed of asked) this.#due.set(feed, now + askAgainMs);
    try {
      const found = await read(asked.map(({ chatId }) => chatId));
      // Those that have been taken, or have gone, meanwhile are not asked about any more.
      for (const feed of asked) if (this.#due.has(feed)) feed.judged(found.get(feed.chatId));
    } catch (err) {
      logger.warn({ err }, "it could not be read why chats wait");
    }
  }
}
