import type { Json } from "@parley/protocol";

/**
 * Output that is longer than its limit, cut in the middle: two thirds of what fits are its head, one third its tail,
 * since the end of a log or an error is worth more than its middle. What is no text is cut as JSON text.
 */
export function cutOutput(output: Json, bytesMax: number): Json {
  const text = typeof output === "string" ? output : JSON.stringify(output);
  return Buffer.byteLength(text) <= bytesMax ? output : cutText(text, bytesMax);
}

export function cutText(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return text;
  const marker = `\n\n[… ${bytes.length} bytes, cut to ${bytesMax} …]\n\n`;
  const room = Math.max(0, bytesMax - Buffer.byteLength(marker));
  const headBytes = Math.floor((room * 2) / 3);
  const head = bytes.subarray(0, startOfCharacter(bytes, headBytes));
  const tail = bytes.subarray(nextCharacter(bytes, bytes.length - (room - headBytes)));
  return `${head.toString("utf8")}${marker}${tail.toString("utf8")}`;
}

/** The nearest boundary at or before `at`: UTF-8 continues a character with bytes 10xxxxxx. */
function startOfCharacter(bytes: Uint8Array, at: number): number {
  let i = at;
  while (i > 0 && isContinuation(bytes[i])) i -= 1;
  return i;
}

function nextCharacter(bytes: Uint8Array, at: number): number {
  let i = at;
  while (i < bytes.length && isContinuation(bytes[i])) i += 1;
  return i;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
