import { chatOf } from "../domain/representation.ts";
import type { ChatRow } from "../domain/rows.ts";
import type { SyncRequest } from "../store/sync.ts";
import { allOfRevision, isAfter, type Position } from "./cursor.ts";
import { Encoded, Payload } from "./encode.ts";
import { isNewer, type FeedState } from "./feed-state.ts";
import { canPlan, statusOf, windowMessagesMax } from "./plan.ts";
import { recentMessagesMax } from "./recent.ts";
import type { Subscriber } from "./subscriber.ts";

/** A subscriber that has not had its first sync. */
export interface Joiner {
  readonly subscriber: Subscriber;
  /** Where its cursor says it is; null: it begins anew. */
  from: Position | null;
  /** The cursor as it came, for what is said before the first sync. */
  readonly cursor: string | null;
  /** The authorized row: the feed must be at least that new. Null: that has been seen to. */
  row: ChatRow | null;
  /** Its first sync on this connection ends with `ready`. */
  readonly initial: boolean;
  /** A read has begun since it came. */
  read: boolean;
  /** The stream has begun for the client, if only with what the authorized row says. */
  isOpen: boolean;
  /** Called once: with an error when it cannot be opened at all. */
  opened(error?: unknown): void;
}

/** Those who wait for a read, and what they need of it. */
export class Joiners {
  readonly #joiners = new Set<Joiner>();

  get size(): number {
    return this.#joiners.size;
  }

  subscribers(): Subscriber[] {
    return [...this.#joiners].map((joiner) => joiner.subscriber);
  }

  add(joiner: Joiner): void {
    this.#joiners.add(joiner);
  }

  remove(subscriber: Subscriber): void {
    for (const joiner of this.#joiners) {
      if (joiner.subscriber !== subscriber) continue;
      this.attached(joiner);
    }
  }

  attached(joiner: Joiner): void {
    this.#joiners.delete(joiner);
    open(joiner);
  }

  /** Those whose streams have not begun get the error as an answer. */
  refuse(error: unknown): void {
    for (const joiner of this.#joiners) {
      if (joiner.isOpen) continue;
      this.#joiners.delete(joiner);
      open(joiner, error);
      joiner.subscriber.close();
    }
  }

  /** One read for everybody: the feed's own news, and what each who waits has missed. */
  request(chatId: string, state: FeedState | null, window: boolean): SyncRequest {
    let since: SyncRequest["since"] = null;
    let cutsAfter: number | null = null;
    if (state !== null) {
      cutsAfter = state.chat.snapshot_version;
      since = { revision: cutsAfter, message_id: allOfRevision };
    }
    let newest = window;
    for (const { from } of this.#joiners) {
      if (from === null) {
        newest = true;
        continue;
      }
      const { revision, message_id, snapshot } = from;
      if (since === null || isAfter(since, from)) since = { revision, message_id };
      cutsAfter = Math.min(cutsAfter ?? snapshot, snapshot);
    }
    return {
      chatId,
      since,
      cutsAfter,
      window: newest ? windowMessagesMax : 0,
      changedMax: recentMessagesMax,
    };
  }

  beginRead(): void {
    for (const joiner of this.#joiners) joiner.read = true;
  }

  /** Those whom the read was made for; what it could not give them is not asked for again. */
  afterRead(state: FeedState): Joiner[] {
    for (const joiner of this.#joiners) {
      if (!joiner.read) continue;
      joiner.row = null;
      const { from } = joiner;
      // Of the future, or too long ago: from the start.
      const lost = from !== null && (isFuture(from, state) || !canPlan(state, from));
      if (lost) joiner.from = null;
    }
    return [...this.#joiners];
  }

  /** Whether the state is new enough and remembers enough for it. */
  ready(joiner: Joiner, state: FeedState): boolean {
    if (joiner.row !== null && isNewer(joiner.row, state.chat)) return false;
    if (joiner.from !== null && isFuture(joiner.from, state)) return false;
    return canPlan(state, joiner.from);
  }

  /**
   * A read failed. Where waiting may help, streams open all the same: they say what the authorized row says, and the
   * rest when the database is back. Where it cannot help, they do not open.
   */
  failed(error: unknown, transient: boolean): void {
    if (!transient) return this.refuse(error);
    for (const joiner of this.#joiners) {
      if (joiner.isOpen) continue;
      if (joiner.row !== null) joiner.subscriber.begin(fromRow(joiner.row, joiner.cursor));
      joiner.row = null;
      open(joiner);
    }
  }

  /** Everybody, those who had been attached too, begins anew. */
  restart(members: readonly Subscriber[]): void {
    for (const joiner of this.#joiners) {
      joiner.from = null;
      joiner.read = false;
    }
    for (const subscriber of members) {
      const start = { from: null, cursor: null, row: null, initial: false, read: false };
      this.#joiners.add({ subscriber, ...start, isOpen: true, opened() {} });
    }
  }
}

function open(joiner: Joiner, error?: unknown): void {
  joiner.isOpen = true;
  joiner.opened(error);
}

/** It has seen a snapshot that the database does not have. */
function isFuture(from: Position, state: FeedState): boolean {
  return from.snapshot > state.chat.snapshot_version;
}

/** What can be said without the database. */
function fromRow(row: ChatRow, cursor: string | null): Encoded[] {
  const makeCursor = cursor === null ? null : (): string => cursor;
  const status = statusOf({ chat: row, waiting: null });
  return [
    new Encoded(new Payload("status", status), makeCursor),
    new Encoded(new Payload("chat", chatOf(row)), makeCursor),
  ];
}
