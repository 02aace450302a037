import type { EncodedEvent } from "./ports.ts";

/** Events that wait for one client. Beyond either, the client is closed: it reconnects with its cursor. */
export const outboxEventsMax = 4096;
export const outboxBytesMax = 8 * 1024 * 1024;

/** Live parts that wait. Beyond either, they are dropped in favour of a snapshot when the client is ready for it. */
export const lagPartsMax = 256;
export const lagBytesMax = 256 * 1024;

interface Item {
  readonly event: EncodedEvent;
  readonly bytes: number;
  /** A live part or a snapshot of the preview. */
  readonly live: boolean;
  /** Part of the first sync: its size is the chat's, not the client's fault. */
  readonly exempt: boolean;
}

/** What one slow client has not taken yet. Pure data. */
export class Outbox {
  #items: Item[] = [];
  #head = 0;
  #bytes = 0;
  #exempt = 0;
  /** The run of live items at the end. */
  #liveItems = 0;
  #liveBytes = 0;
  #lagging = false;

  get empty(): boolean {
    return this.#head === this.#items.length;
  }

  /** Events that wait. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Live parts were dropped: a snapshot is owed before anything else, or at the end. */
  get lagging(): boolean {
    return this.#lagging;
  }

  get full(): boolean {
    return (
      this.#items.length - this.#head - this.#exempt > outboxEventsMax ||
      this.#bytes > outboxBytesMax
    );
  }

  /** The snapshot is there, or not needed any more. */
  caughtUp(): void {
    this.#lagging = false;
  }

  add(event: EncodedEvent, exempt: boolean): void {
    this.#push({ event, bytes: exempt ? 0 : event.json().length, live: false, exempt });
    this.#liveItems = 0;
    this.#liveBytes = 0;
  }

  /** A live part, or a snapshot that replaces those before it. */
  addLive(event: EncodedEvent): void {
    if (this.#lagging) return;
    const bytes = event.json().length;
    this.#push({ event, bytes, live: true, exempt: false });
    this.#liveItems += 1;
    this.#liveBytes += bytes;
    // A snapshot alone may be larger than that: dropping it for another would never end.
    if (this.#liveItems <= 1) return;
    if (this.#liveItems > lagPartsMax || this.#liveBytes > lagBytesMax) this.#collapse();
  }

  /** The oldest events, at most `max`. */
  take(max: number): EncodedEvent[] {
    const items = this.#items.slice(this.#head, this.#head + max);
    this.#head += items.length;
    for (const item of items) {
      this.#bytes -= item.bytes;
      if (item.exempt) this.#exempt -= 1;
    }
    const left = this.#items.length - this.#head;
    if (this.#liveItems > left) {
      this.#liveItems = left;
      this.#liveBytes = this.#items.slice(this.#head).reduce((sum, item) => sum + item.bytes, 0);
    }
    if (left === 0 || this.#head > 1024) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return items.map((item) => item.event);
  }

  #push(item: Item): void {
    this.#items.push(item);
    this.#bytes += item.bytes;
    if (item.exempt) this.#exempt += 1;
  }

  #collapse(): void {
    this.#items.length -= this.#liveItems;
    this.#bytes -= this.#liveBytes;
    this.#liveItems = 0;
    this.#liveBytes = 0;
    this.#lagging = true;
  }
}
