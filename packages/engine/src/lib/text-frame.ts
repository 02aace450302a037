import type { Duplex } from "node:stream";

/** As it is written to a socket. A string is bytes, one for each of its characters. */
export type Frame = string | Buffer;

/** How a frame that is a string is written. */
const encoding = "latin1";

/** The last frame of a message, in text. */
const finalText = 0x81;
const uint16Marker = 126;
const uint64Marker = 127;

/** A WebSocket frame as a server sends it, not masked and not compressed (RFC 6455, section 5.2). */
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

/** What stands before so many bytes of plain ASCII. */
export function plainHeader(bytes: number): string {
  if (bytes >= uint16Marker && bytes <= 0xffff) {
    return String.fromCharCode(finalText, uint16Marker, bytes >> 8, bytes & 0xff);
  }
  return String.fromCharCode(...headerOf(bytes));
}

/** False: as much waits in the connection as it holds; it says "drain" when it is empty. */
export function writeFrame(connection: Duplex, frame: Frame): boolean {
  return typeof frame === "string" ? connection.write(frame, encoding) : connection.write(frame);
}

function headerOf(bytes: number): number[] {
  if (bytes < uint16Marker) return [finalText, bytes];
  if (bytes <= 0xffff) return [finalText, uint16Marker, bytes >> 8, bytes & 0xff];
  const long = Buffer.alloc(8);
  long.writeBigUInt64BE(BigInt(bytes));
  return [finalText, uint64Marker, ...long];
}
