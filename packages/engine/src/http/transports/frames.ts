import type { EncodedEvent } from "../../stream/ports.ts";

/** The last frame of a message, in text. */
const finalText = 0x81;
const uint16Marker = 126;
const uint64Marker = 127;

/** A larger frame is a first sync, which nobody else gets: not worth holding on to. */
const sharedBytesMax = 64 * 1024;

/**
 * Makes WebSocket frames as a server sends them: not masked, not compressed. Those who follow the same chat are sent the
 * same events one right after the other, and get the same bytes, made once. Header and content are one piece, so that a
 * frame is one write of one buffer, where a library's `send` gives the socket two for every subscriber.
 */
export class Frames {
  #events: readonly EncodedEvent[] = [];
  #frame: Buffer | null = null;

  /** A JSON array of events. */
  of(events: readonly EncodedEvent[]): Buffer {
    if (this.#frame !== null && areSame(events, this.#events)) return this.#frame;
    const frame = textFrame(textOf(events));
    const isShared = frame.length <= sharedBytesMax;
    this.#events = isShared ? events : [];
    this.#frame = isShared ? frame : null;
    return frame;
  }
}

function textOf(events: readonly EncodedEvent[]): string {
  const [first] = events;
  // Live parts, which are nearly all there is, come alone.
  if (first !== undefined && events.length === 1) return `[${first.json()}]`;
  return `[${events.map((event) => event.json()).join(",")}]`;
}

function areSame(a: readonly EncodedEvent[], b: readonly EncodedEvent[]): boolean {
  return a.length === b.length && a.every((event, i) => event === b[i]);
}

/** RFC 6455, section 5.2. */
export function textFrame(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const header = bytes < uint16Marker ? 2 : bytes <= 0xffff ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + bytes);
  frame[0] = finalText;
  if (header === 2) {
    frame[1] = bytes;
  } else if (header === 4) {
    frame[1] = uint16Marker;
    frame.writeUInt16BE(bytes, 2);
  } else {
    frame[1] = uint64Marker;
    frame.writeBigUInt64BE(BigInt(bytes), 2);
  }
  frame.write(text, header, "utf8");
  return frame;
}
