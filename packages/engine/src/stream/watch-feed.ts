import type { StreamCloseReason } from "@parley/protocol";
import { linked } from "../lib/abort.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Timer } from "../lib/clock.ts";
import { readWatch, type WatchRequest, type WatchResult } from "../store/watch.ts";
import { withDeadline } from "./deadline.ts";
import { Encoded, Payload } from "./encode.ts";
import { readBackoff, type FeedDeps } from "./feed-options.ts";
import type { Subscriber } from "./subscriber.ts";
import { encodeWatchCursor, type WatchPosition, type WatchScope } from "./watch-cursor.ts";
import {
  canResume,
  planChanges,
  planList,
  stateAfter,
  type WatchPlanned,
  type WatchState,
} from "./watch-state.ts";

/** Chats that a list without a cursor begins with. */
const newestChatsMax = 200;

/** More changes than this are not told one by one: the list begins anew. */
const changedChatsMax = 1_000;

/** A turn commits several times within moments: one read tells of all. */
export const watchDebounceMs = 50;

export type WatchDeps = Pick<
  FeedDeps,
  "database" | "clock" | "random" | "logger" | "turn" | "controlReadMs"
>;

export interface WatchJoiner {
  readonly subscriber: Subscriber;
  from: WatchPosition | null;
  /** Its first list on this connection ends with `ready`. */
  readonly initial: boolean;
  opened(error?: unknown): void;
}

/** One replica's live view of one principal's list, shared by all who watch it here. */
export class WatchFeed {
  readonly ownerId: string;
  readonly #deps: WatchDeps;
  readonly #onEmpty: (feed: WatchFeed) => void;
  readonly #subscribers = new Set<Subscriber>();
  readonly #joiners = new Set<WatchJoiner>();
  readonly #stop = linked();
  #scope: WatchScope;
  #state: WatchState | null = null;
  #wanted = false;
  #running = false;
  #debounce: { timer: Timer; dueAt: number } | null = null;

  constructor(scope: WatchScope, deps: WatchDeps, onEmpty: (feed: WatchFeed) => void) {
    this.ownerId = scope.ownerId;
    this.#scope = scope;
    this.#deps = deps;
    this.#onEmpty = onEmpty;
  }

  get size(): number {
    return this.#subscribers.size + this.#joiners.size;
  }

  /** Where the next read begins; null before the first. */
  get since(): bigint | null {
    return this.#state?.position.xmin ?? null;
  }

  subscribers(): Subscriber[] {
    return [...this.#subscribers, ...[...this.#joiners].map((joiner) => joiner.subscriber)];
  }

  join(joiner: WatchJoiner): void {
    this.#joiners.add(joiner);
    this.#wake();
  }

  leave(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    for (const joiner of this.#joiners) {
      if (joiner.subscriber !== subscriber) continue;
      this.#joiners.delete(joiner);
      joiner.opened();
    }
    if (this.size === 0) this.stop();
  }

  /** Something of the list may have changed: it is read within `ms`. */
  look(ms: number): void {
    const { clock } = this.#deps;
    const dueAt = clock.monotonic() + ms;
    if (this.#stop.signal.aborted) return;
    if (this.#debounce !== null) {
      if (this.#debounce.dueAt <= dueAt) return;
      this.#debounce.timer.cancel();
    }
    const timer = clock.timer(ms, "watch.debounce", () => {
      this.#debounce = null;
      this.#wanted = true;
      this.#wake();
    });
    this.#debounce = { timer, dueAt };
  }

  /** The database is another one: the list begins anew for everybody. */
  restart(scope: WatchScope): void {
    this.#scope = scope;
    this.#startOver();
    this.#wake();
  }

  end(reason: StreamCloseReason): void {
    const all = this.subscribers();
    this.stop();
    for (const subscriber of all) subscriber.end(reason);
  }

  stop(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#debounce?.timer.cancel();
    this.#onEmpty(this);
  }

  #startOver(): void {
    this.#state = null;
    for (const joiner of this.#joiners) joiner.from = null;
    for (const subscriber of this.#subscribers) {
      this.#joiners.add({ subscriber, from: null, initial: false, opened() {} });
    }
    this.#subscribers.clear();
  }

  #wake(): void {
    if (this.#running || this.#stop.signal.aborted) return;
    this.#running = true;
    void this.#run();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { clock, random, logger } = this.#deps;
    let failures = 0;
    while (!this.#stop.signal.aborted && (this.#wanted || this.#joiners.size > 0)) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#once();
        failures = 0;
      } catch (err) {
        if (this.#stop.signal.aborted) break;
        logger.warn({ err }, "a list could not be read");
        this.#wanted = true;
        this.#failed(err);
        failures += 1;
        const ms = backoffMs(failures, readBackoff, random);
        // oxlint-disable-next-line no-await-in-loop
        await clock.sleep(ms, "watch.read-backoff", this.#stop.signal);
      }
    }
    this.#running = false;
  }

  async #once(): Promise<void> {
    const { database, clock, controlReadMs } = this.#deps;
    const scope = this.#scope;
    const joiners = [...this.#joiners];
    this.#wanted = false;
    const options = { statementTimeoutMs: controlReadMs };
    const read = readWatch(database, this.#request(joiners), options);
    const result = await withDeadline(read, clock, controlReadMs);
    if (this.#stop.signal.aborted) return;
    if (scope !== this.#scope) return this.#startOver();
    this.#apply(joiners, result);
  }

  #request(joiners: readonly WatchJoiner[]): WatchRequest {
    let { since } = this;
    let newest = 0;
    for (const { from } of joiners) {
      if (from === null) newest = newestChatsMax;
      else if (since === null || from.xmin < since) since = from.xmin;
    }
    return { ownerId: this.ownerId, since, changedMax: changedChatsMax, newest };
  }

  #apply(joiners: readonly WatchJoiner[], result: WatchResult): void {
    const lost = joiners.filter(({ from }) => from !== null && !canResume(from, result));
    for (const joiner of lost) joiner.from = null;
    const missed = this.#state !== null && result.changed === null;
    if (missed && lost.length === 0) return this.#startOver();
    // Too much for one who was away for long: once more, with less to read.
    if (missed) return void (this.#wanted = true);
    if (this.#state !== null) {
      const { position, told } = this.#state;
      const events = this.#encode(planChanges(result, position, told, false));
      for (const subscriber of this.#subscribers) subscriber.push(events);
    }
    this.#state = stateAfter(result);
    for (const joiner of joiners) this.#attach(joiner, result);
  }

  #attach(joiner: WatchJoiner, result: WatchResult): void {
    const { subscriber, from, initial } = joiner;
    if (subscriber.closed || (from === null && result.newest === null)) return;
    const planned =
      from === null ? planList(result) : planChanges(result, from, new Map(), initial);
    if (!initial) planned.splice(-1);
    this.#joiners.delete(joiner);
    this.#subscribers.add(subscriber);
    subscriber.begin(this.#encode(planned));
    joiner.opened();
  }

  /** A stream that has not begun fails as any request does. */
  #failed(error: unknown): void {
    for (const joiner of this.#joiners) {
      if (!joiner.initial) continue;
      this.#joiners.delete(joiner);
      joiner.opened(error);
      joiner.subscriber.close();
    }
  }

  #encode(events: readonly WatchPlanned[]): Encoded[] {
    const scope = this.#scope;
    return events.map(
      ({ type, data, position }) =>
        new Encoded(new Payload(type, data), () => encodeWatchCursor(scope, position)),
    );
  }
}
