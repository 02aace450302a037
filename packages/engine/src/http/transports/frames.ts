import type { EncodedEvent } from "../../stream/ports.ts";

/** As it is written to a socket. A string is bytes, one for each of its characters. */
export type Frame = string | Buffer;

/** How a frame that is a string is written. */
export const frameEncoding = "latin1";

/** The last frame of a message, in text. */
const finalText = 0x81;
const uint16Marker = 126;
const uint64Marker = 127;

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

/** RFC 6455, section 5.2. */
export function textFrame(text: string): Frame {
  const bytes = Buffer.byteLength(text);
  // Only in plain ASCII is a character a byte.
  if (bytes === text.length) return plainHeader(bytes) + text;
  const header = headerOf(bytes);
  const frame = Buffer.allocUnsafe(header.length + bytes);
  frame.set(header);
  frame.write(text, header.length, "utf8");
  return frame;
}

function plainHeader(bytes: number): string {
  if (bytes >= uint16Marker && bytes <= 0xffff) {
    return String.fromCharCode(finalText, uint16Marker, bytes >> 8, bytes & 0xff);
  }
  return String.fromCharCode(...headerOf(bytes));
}

function headerOf(bytes: number): number[] {
  if (bytes < uint16Marker) return [finalText, bytes];
  if (bytes <= 0xffff) return [finalText, uint16Marker, bytes >> 8, bytes & 0xff];
  const long = Buffer.alloc(8);
  long.writeBigUInt64BE(BigInt(bytes));
  return [finalText, uint64Marker, ...long];
}
