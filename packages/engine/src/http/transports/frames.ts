import { plainHeader, textFrame, type Frame } from "../../lib/text-frame.ts";
import type { EncodedEvent } from "../../stream/ports.ts";

/** A larger frame is a first sync, which nobody else gets: not worth holding on to. */
const sharedBytesMax = 64 * 1024;

/**
 * Makes WebSocket frames as a server sends them: not masked, not compressed. Those who follow the same chat are sent the
 * same events one right after the other, and get the same bytes, made once. Header and content are one piece, so that a
 * frame is one write, where a library's `send` gives the socket two for every subscriber. A frame of plain text stays a
 * string: the socket copies it to the kernel, and no buffer is made of it.
 */
export class Frames {
  #events: readonly EncodedEvent[] = [];
  #frame: Frame | null = null;

  /** A JSON array of events. */
  of(events: readonly EncodedEvent[]): Frame {
    if (this.#frame !== null && areSame(events, this.#events)) return this.#frame;
    const frame = frameOf(events);
    const isShared = frame.length <= sharedBytesMax;
    this.#events = isShared ? events : [];
    this.#frame = isShared ? frame : null;
    return frame;
  }
}

function frameOf(events: readonly EncodedEvent[]): Frame {
  const [first] = events;
  // Live parts, which are nearly all there is, come alone. To count their bytes would be to put them together twice.
  if (first?.isPlain === true && events.length === 1) {
    const json = first.json();
    return `${plainHeader(json.length + 2)}[${json}]`;
  }
  return textFrame(`[${events.map((event) => event.json()).join(",")}]`);
}

function areSame(a: readonly EncodedEvent[], b: readonly EncodedEvent[]): boolean {
  return a.length === b.length && a.every((event, i) => event === b[i]);
}
