import { limits, type StreamCloseReason } from "@parley/protocol";
import type { Logger } from "../lib/logger.ts";
import type { PreviewPosition } from "./cursor.ts";
import type { Encoded } from "./encode.ts";
import { Outbox } from "./outbox.ts";
import { isNewerEpisode } from "./plan.ts";
import type { EncodedEvent, Sink, Subscription } from "./ports.ts";
import type { Held, TurnEnd } from "./turn.ts";

/** Live parts of one turn of the loop that go with one write. Beyond it they do not wait for the turn's end. */
const batchPartsMax = 64;

/**
 * A part that comes so soon after another may be of the same turn, and waits for its end. Only then is that asked for: to
 * be told of the end of every turn would cost as much as a fifth of what else is done with a part.
 */
export const sameTurnMs = 0.5;

export interface SubscriberOptions {
  readonly principalId: string;
  /** The principal owns the chat; else somebody else's rule let it in, and the poll does not judge it. */
  readonly owner: boolean;
  readonly sink: Sink;
  readonly logger: Logger;
  readonly turnEnd: TurnEnd;
  /** The preview as of now, for one that lags behind. */
  readonly snapshot: (subscriber: Subscriber) => EncodedEvent | null;
  readonly onClosed: (subscriber: Subscriber) => void;
}

/**
 * One client of a feed: an outbox and the sink behind it. It never waits, and nobody waits for it. The first live part of
 * a turn of the loop is written at once, and those that follow in the same turn together: one write, one frame.
 */
export class Subscriber implements Subscription, Held {
  readonly principalId: string;
  readonly owner: boolean;
  /** The lowest message id of its first window; set when it is attached. */
  low = 0;
  readonly #options: SubscriberOptions;
  readonly #sink: Sink;
  readonly #turnEnd: TurnEnd;
  readonly #outbox = new Outbox();
  /** Live parts up to here are on its screen already. */
  #skip: PreviewPosition | null = null;
  /**
   * Nothing stands before the next live part: the stream is open, takes more, has all before it, and nothing waits. One
   * field in place of six, on as many objects: with many chats each is fetched from far away.
   */
  #isClear = false;
  #started = false;
  #writable = true;
  /** Monotonic time at which a live part was last written at once. */
  #wroteAt = -Infinity;
  /** It is told when the turn is over. */
  #waiting = false;
  #closed = false;

  constructor(options: SubscriberOptions) {
    this.#options = options;
    this.#sink = options.sink;
    this.#turnEnd = options.turnEnd;
    this.principalId = options.principalId;
    this.owner = options.owner;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** From the next turn of the loop on, the sink is called: whoever awaits the opening has gone on by then. */
  start(): void {
    this.#wait();
  }

  /** What the client says it has of the preview. */
  skipTo(preview: PreviewPosition | null): void {
    this.#skip = preview;
    this.#isClear = false;
  }

  /** The first sync. */
  begin(events: readonly Encoded[]): void {
    if (this.#closed) return;
    this.#isClear = false;
    for (const event of events) this.#outbox.add(event, true);
    this.#pump();
  }

  push(events: readonly Encoded[]): void {
    const first = events[0];
    if (this.#closed || first === undefined) return;
    if (this.#outbox.lagging) this.#settle(!endsPreview.has(first.type));
    this.#isClear = false;
    for (const event of events) this.#outbox.add(event, false);
    this.#pump();
    this.#checkFull();
  }

  /** A live part, or a snapshot, as of `at`. `now`: monotonic. */
  live(event: EncodedEvent, at: PreviewPosition, now: number): void {
    if (!this.#isClear && (this.#closed || this.#seen(at))) return;
    const ready = this.#isClear || (this.#writable && this.#started);
    const isAlone = this.#isClear || (this.#outbox.empty && !this.#outbox.lagging);
    if (ready && isAlone && now - this.#wroteAt >= sameTurnMs) {
      this.#wroteAt = now;
      this.#isClear = this.#skip === null;
      this.#write([event]);
      return;
    }
    this.#isClear = false;
    this.#outbox.addLive(event);
    if (ready && this.#outbox.size >= batchPartsMax) this.#pump();
    else if (ready) this.#wait();
    this.#checkFull();
  }

  turnOver(): void {
    this.#waiting = false;
    this.#started = true;
    this.#wroteAt = -Infinity;
    this.#pump();
  }

  drained(): void {
    this.#writable = true;
    this.#pump();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#isClear = false;
    this.#options.onClosed(this);
  }

  /** Ends the stream from our side. */
  end(reason: StreamCloseReason): void {
    if (this.#closed) return;
    // What was said before goes before.
    this.#pump();
    if (this.#closed) return;
    this.close();
    try {
      this.#options.sink.close(reason);
    } catch (err) {
      this.#options.logger.error({ err }, "a stream's sink threw");
    }
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#turnEnd.wait(this);
  }

  #seen(at: PreviewPosition): boolean {
    const skip = this.#skip;
    if (skip === null) return false;
    if (isNewerEpisode(at, skip)) {
      this.#skip = null;
      return false;
    }
    return isNewerEpisode(skip, at) || at.seq <= skip.seq;
  }

  #pump(): void {
    while (this.#writable && this.#started && !this.#closed) {
      if (this.#outbox.empty) {
        if (!this.#outbox.lagging) return;
        this.#settle(true);
        if (this.#outbox.empty) return;
      }
      this.#write(this.#outbox.take(limits.frameEventsMax));
    }
  }

  /** The snapshot that is owed for the parts that were dropped, unless what follows ends the preview anyway. */
  #settle(wanted: boolean): void {
    this.#outbox.caughtUp();
    const snapshot = wanted ? this.#options.snapshot(this) : null;
    if (snapshot !== null) this.#outbox.addLive(snapshot);
  }

  #write(events: readonly EncodedEvent[]): void {
    try {
      this.#writable = this.#sink.write(events);
      if (!this.#writable) this.#isClear = false;
    } catch (err) {
      this.#options.logger.error({ err }, "a stream's sink threw");
      this.close();
    }
  }

  #checkFull(): void {
    if (this.#outbox.full) this.end("slow_consumer");
  }
}

const endsPreview: ReadonlySet<string> = new Set(["message", "history_reset", "preview_reset"]);
