import type { StreamCloseReason, Waiting } from "@parley/protocol";
import type { ChatHint, Commit } from "../domain/commit.ts";
import { noLimits } from "../domain/running-limits.ts";
import type { Timer } from "../lib/clock.ts";
import { onAbort } from "../lib/abort.ts";
import { ParleyError } from "../lib/errors.ts";
import type { DatabaseIdentity } from "../postgres/identity.ts";
import { readWaiting, type BacklogRules } from "../store/backlog.ts";
import { readVersions } from "../store/sync.ts";
import { decodeCursor, type Position } from "./cursor.ts";
import { withDeadline } from "./deadline.ts";
import { endSpread } from "./end-spread.ts";
import { controlReadMs, pollMs, type FeedDeps } from "./feed-options.ts";
import { Feed } from "./feed.ts";
import type { Joiner } from "./joiners.ts";
import type { OpenStream, Streams, Subscription } from "./ports.ts";
import { Subscriber } from "./subscriber.ts";
import { SyncReads } from "./sync-reads.ts";
import { nextTurn, TurnEnd } from "./turn.ts";
import { WaitingWatch } from "./waiting.ts";

export type StreamsOptions = Omit<FeedDeps, "turn" | "controlReadMs" | "waiting" | "reads"> &
  Partial<Pick<FeedDeps, "turn" | "controlReadMs">> & {
    /** What chats are taken by. Default: the lease's default, and no limits. */
    readonly rules?: BacklogRules;
  };

const rulesDefault: BacklogRules = { limits: noLimits, lease_ms: 20_000, silence_ms: 1_500 };

/** The replica takes no new streams: it is shutting down. */
export class StreamsDraining extends ParleyError {
  constructor() {
    super("draining", "This replica is shutting down. Connect again: another one answers.");
  }
}

/** All feeds of a replica: streams of chats come and go here, and news reach the feeds through it. */
export class ChatStreams implements Streams {
  readonly #deps: FeedDeps;
  readonly #rules: BacklogRules;
  readonly #waiting: WaitingWatch;
  readonly #turnEnd: TurnEnd;
  readonly #feeds = new Map<string, Feed>();
  #identity: DatabaseIdentity | null = null;
  #pollTimer: Timer | undefined;
  #polling: Promise<void> | undefined;
  readonly #offIdentity: () => void;
  #closing = false;

  constructor(options: StreamsOptions) {
    const { rules = rulesDefault, ...deps } = options;
    this.#rules = rules;
    const { clock, logger } = deps;
    const read = async (chatIds: readonly string[]): Promise<Map<string, Waiting>> =>
      await this.#readWaiting(chatIds);
    this.#waiting = new WaitingWatch({ clock, logger, read });
    const settings = { turn: nextTurn, controlReadMs, ...deps };
    this.#deps = { ...settings, waiting: this.#waiting, reads: new SyncReads(settings) };
    this.#turnEnd = new TurnEnd(this.#deps.turn);
    this.#offIdentity = options.database.onIdentityChange((_before, after) => {
      this.#identity = after;
      for (const feed of this.#feeds.values()) {
        feed.restart({ chatId: feed.chatId, database: after });
      }
    });
  }

  stats(): { feeds: number; subscribers: number } {
    let subscribers = 0;
    for (const feed of this.#feeds.values()) subscribers += feed.size;
    return { feeds: this.#feeds.size, subscribers };
  }

  async open(request: OpenStream): Promise<Subscription> {
    const { chat, principalId, cursor, sink, signal } = request;
    if (this.#closing) throw new StreamsDraining();
    signal?.throwIfAborted();
    const database = await this.#knownIdentity();
    const scope = { chatId: chat.id, database };
    const from: Position | null = cursor === null ? null : decodeCursor(scope, cursor);
    // From here to the joining nothing waits: a feed that nobody holds is gone.
    signal?.throwIfAborted();
    if (this.#closing) throw new StreamsDraining();
    const feed = this.#feedOf(scope.chatId, database);
    const subscriber = new Subscriber({
      principalId,
      owner: chat.owner_id === principalId,
      sink,
      logger: this.#deps.logger,
      turnEnd: this.#turnEnd,
      snapshot: (lagging) => feed.snapshotFor(lagging),
      onClosed: (closed) => feed.leave(closed),
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const opened = (error?: unknown): void => {
      if (error === undefined) resolve();
      else reject(error);
    };
    const start = { row: chat, initial: true, read: false, isOpen: false };
    const joiner: Joiner = { subscriber, from, cursor, ...start, opened };
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
    for (const commit of commits) this.#feeds.get(commit.chat.id)?.committed(commit);
  }

  /** A commit of this replica whose answer was lost. */
  perhaps(chatId: string): void {
    this.#feeds.get(chatId)?.look();
  }

  /** From the bus: another replica committed. */
  hint(hint: ChatHint): void {
    this.#feeds.get(hint.chat_id)?.hint(hint);
  }

  /** The owner of these chats cannot be reached: one query tells whether they have another by now. */
  async recheck(chatIds: readonly string[]): Promise<void> {
    await this.#poll(chatIds);
  }

  /** The bus was away: what it lost is unknown. */
  lookAtAll(): void {
    for (const feed of this.#feeds.values()) feed.look();
  }

  /** Ends the streams of a principal whose right is withdrawn. */
  forbid(principalId: string, chatId?: string): void {
    for (const feed of this.#feeds.values()) {
      if (chatId !== undefined && feed.chatId !== chatId) continue;
      for (const subscriber of feed.subscribers()) {
        if (subscriber.principalId === principalId) subscriber.end("forbidden");
      }
    }
  }

  /** One query for all feeds of the replica: finds what notifications have lost. */
  start(): void {
    this.#arm();
  }

  /**
   * Ends all streams, spread over the given time so that their clients do not all come back at once. Opens none any more.
   */
  async closeAll(reason: StreamCloseReason, spreadMs: number): Promise<void> {
    this.#closing = true;
    const all = [...this.#feeds.values()].flatMap((feed) => feed.subscribers());
    await endSpread(all, reason, spreadMs, this.#deps);
  }

  /** Ends what is left and lets go of everything. */
  async stop(): Promise<void> {
    this.#closing = true;
    this.#offIdentity();
    this.#pollTimer?.cancel();
    for (const feed of this.#feeds.values()) feed.end("reconnect");
    await Promise.all([this.#polling, this.#waiting.stop()]);
  }

  /** Asked of the database once; after that every new connection compares. */
  async #knownIdentity(): Promise<DatabaseIdentity> {
    this.#identity ??= await withDeadline(
      this.#deps.database.identity(),
      this.#deps.clock,
      this.#deps.controlReadMs,
    );
    return this.#identity;
  }

  #feedOf(chatId: string, database: DatabaseIdentity): Feed {
    let feed = this.#feeds.get(chatId);
    if (!feed) {
      feed = new Feed({ chatId, database }, this.#deps, (empty) => {
        if (this.#feeds.get(chatId) === empty) this.#feeds.delete(chatId);
      });
      this.#feeds.set(chatId, feed);
    }
    return feed;
  }

  #arm(): void {
    if (this.#closing) return;
    this.#pollTimer = this.#deps.clock.timer(pollMs, "stream.poll", () => {
      this.#polling = this.#poll().finally(() => this.#arm());
    });
  }

  async #poll(chatIds: Iterable<string> = this.#feeds.keys()): Promise<void> {
    const feeds = [...chatIds].flatMap((chatId) => this.#feeds.get(chatId) ?? []);
    if (feeds.length === 0) return;
    const { database, clock, logger, controlReadMs: readMs } = this.#deps;
    try {
      const read = readVersions(
        database,
        feeds.map((feed) => feed.chatId),
        this.#rules,
        { statementTimeoutMs: readMs },
      );
      const found = new Map((await withDeadline(read, clock, readMs)).map((row) => [row.id, row]));
      for (const feed of feeds) feed.polled(found.get(feed.chatId));
    } catch (err) {
      logger.warn({ err }, "the poll of streams failed");
    }
  }

  async #readWaiting(chatIds: readonly string[]): Promise<Map<string, Waiting>> {
    const { database, clock, controlReadMs: readMs } = this.#deps;
    const limits = { statementTimeoutMs: readMs };
    return await withDeadline(readWaiting(database, chatIds, this.#rules, limits), clock, readMs);
  }
}
