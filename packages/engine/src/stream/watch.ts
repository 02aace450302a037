import type { StreamCloseReason } from "@parley/protocol";
import type { ChatHint, Commit } from "../domain/commit.ts";
import { onAbort } from "../lib/abort.ts";
import type { Timer } from "../lib/clock.ts";
import type { DatabaseIdentity } from "../postgres/identity.ts";
import { findChangedLists } from "../store/watch.ts";
import { withDeadline } from "./deadline.ts";
import { controlReadMs, pollMs } from "./feed-options.ts";
import type { OpenWatch, Subscription, WatchStreams } from "./ports.ts";
import { endSpread } from "./end-spread.ts";
import { StreamsDraining } from "./streams.ts";
import { Subscriber } from "./subscriber.ts";
import { nextTurn, TurnEnd } from "./turn.ts";
import { decodeWatchCursor } from "./watch-cursor.ts";
import { watchDebounceMs, WatchFeed, type WatchDeps, type WatchJoiner } from "./watch-feed.ts";

export type ChatWatchOptions = Omit<WatchDeps, "turn" | "controlReadMs"> &
  Partial<Pick<WatchDeps, "turn" | "controlReadMs">>;

/** Hints of other replicas name a chat and not its owner: every list is looked at, so not too often. */
const hintDebounceMs = 1_000;

/** The lists that are watched on this replica, one feed for each principal. */
export class ChatWatch implements WatchStreams {
  readonly #deps: WatchDeps;
  readonly #turnEnd: TurnEnd;
  readonly #feeds = new Map<string, WatchFeed>();
  #identity: DatabaseIdentity | null = null;
  #pollTimer: Timer | undefined;
  #polling: Promise<void> | undefined;
  readonly #offIdentity: () => void;
  #closing = false;

  constructor(options: ChatWatchOptions) {
    this.#deps = { turn: nextTurn, controlReadMs, ...options };
    this.#turnEnd = new TurnEnd(this.#deps.turn);
    this.#offIdentity = options.database.onIdentityChange((_before, database) => {
      this.#identity = database;
      for (const feed of this.#feeds.values()) feed.restart({ ownerId: feed.ownerId, database });
    });
  }

  stats(): { feeds: number; subscribers: number } {
    let subscribers = 0;
    for (const feed of this.#feeds.values()) subscribers += feed.size;
    return { feeds: this.#feeds.size, subscribers };
  }

  async open(request: OpenWatch): Promise<Subscription> {
    const { principalId, cursor, sink, signal } = request;
    if (this.#closing) throw new StreamsDraining();
    signal?.throwIfAborted();
    const scope = { ownerId: principalId, database: await this.#knownIdentity() };
    const from = cursor === null ? null : decodeWatchCursor(scope, cursor);
    signal?.throwIfAborted();
    if (this.#closing) throw new StreamsDraining();
    const feed = this.#feedOf(scope.ownerId, scope.database);
    const subscriber = new Subscriber({
      principalId,
      owner: true,
      sink,
      logger: this.#deps.logger,
      turnEnd: this.#turnEnd,
      snapshot: () => null,
      onClosed: (closed) => feed.leave(closed),
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const opened = (error?: unknown): void => {
      if (error === undefined) resolve();
      else reject(error);
    };
    const joiner: WatchJoiner = { subscriber, from, initial: true, opened };
    const off = signal && onAbort(signal, () => subscriber.close());
    try {
      feed.join(joiner);
      await promise;
    } finally {
      off?.();
    }
    signal?.throwIfAborted();
    subscriber.start();
    return subscriber;
  }

  /** Part of the fan-out of what this replica commits. */
  committed(commits: readonly Commit[]): void {
    for (const { chat } of commits) this.#feeds.get(chat.owner_id)?.look(watchDebounceMs);
  }

  /** From the bus: another replica committed. */
  hint(_hint: ChatHint): void {
    this.lookAtAll();
  }

  /** A commit whose answer was lost, or a bus that was away. */
  lookAtAll(): void {
    for (const feed of this.#feeds.values()) feed.look(hintDebounceMs);
  }

  start(): void {
    this.#arm();
  }

  /** Ends the streams of a principal whose right is withdrawn. */
  forbid(principalId: string): void {
    this.#feeds.get(principalId)?.end("forbidden");
  }

  /** Ends all streams, spread over the given time. Opens none any more. */
  async closeAll(reason: StreamCloseReason, spreadMs: number): Promise<void> {
    this.#closing = true;
    const all = [...this.#feeds.values()].flatMap((feed) => feed.subscribers());
    await endSpread(all, reason, spreadMs, this.#deps);
  }

  async stop(): Promise<void> {
    this.#closing = true;
    this.#offIdentity();
    this.#pollTimer?.cancel();
    for (const feed of this.#feeds.values()) feed.end("reconnect");
    await this.#polling;
  }

  async #knownIdentity(): Promise<DatabaseIdentity> {
    const { database, clock } = this.#deps;
    this.#identity ??= await withDeadline(database.identity(), clock, controlReadMs);
    return this.#identity;
  }

  #feedOf(ownerId: string, database: DatabaseIdentity): WatchFeed {
    let feed = this.#feeds.get(ownerId);
    if (!feed) {
      feed = new WatchFeed({ ownerId, database }, this.#deps, (empty) => {
        if (this.#feeds.get(ownerId) === empty) this.#feeds.delete(ownerId);
      });
      this.#feeds.set(ownerId, feed);
    }
    return feed;
  }

  #arm(): void {
    if (this.#closing) return;
    this.#pollTimer = this.#deps.clock.timer(pollMs, "watch.poll", () => {
      this.#polling = this.#poll().finally(() => this.#arm());
    });
  }

  async #poll(): Promise<void> {
    try {
      await this.#findLost();
    } catch (err) {
      this.#deps.logger.warn({ err }, "the poll of lists failed");
    }
  }

  /** One query for all lists of the replica: finds what notifications have lost. */
  async #findLost(): Promise<void> {
    const { database, clock } = this.#deps;
    const lists = [...this.#feeds.values()].flatMap(({ ownerId, since }) =>
      since === null ? [] : [{ ownerId, since }],
    );
    if (lists.length === 0) return;
    const options = { statementTimeoutMs: controlReadMs };
    const read = findChangedLists(database, lists, options);
    for (const ownerId of await withDeadline(read, clock, controlReadMs)) {
      this.#feeds.get(ownerId)?.look(0);
    }
  }
}
