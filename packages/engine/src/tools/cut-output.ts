import type { FilePart, Json, TextPart } from "@parley/protocol";
import { contentItems, type OutputItem } from "../domain/tool-output.ts";

/** Pictures, sound and files of one result, in base64. They are stored with it and sent to every client. */
export const mediaBytesMax = 2 * 1024 * 1024;

/**
 * Output that is longer than its limit, cut in the middle: two thirds of what fits are its head, one third its tail,
 * since the end of a log or an error is worth more than its middle. What is no text is cut as JSON text. A file is whole
 * or left out, and said to be: half a picture is none, and its size has nothing to do with how much there is to read.
 */
export function cutOutput(output: Json, bytesMax: number, mediaMax = mediaBytesMax): Json {
  const items = contentItems(output);
  if (items !== null) return { content: cutItems(items, bytesMax, mediaMax) as unknown as Json };
  const text = textOf(output);
  return Buffer.byteLength(text) <= bytesMax ? output : cutText(text, bytesMax);
}

/** What an output has of each kind. */
export function sizeOf(output: Json): { readonly textBytes: number; readonly mediaBytes: number } {
  const items = contentItems(output);
  if (items === null) return { textBytes: Buffer.byteLength(textOf(output)), mediaBytes: 0 };
  const mediaBytes = items.reduce((sum, item) => sum + dataBytes(item), 0);
  const textBytes = Buffer.byteLength(JSON.stringify(items)) - mediaBytes;
  return { textBytes, mediaBytes };
}

export function leftOut({ media_type, data }: FilePart): TextPart {
  const size = Math.round(((data?.length ?? 0) * 3) / 4 / 1024);
  return { type: "text", text: `[a file of type ${media_type} was left out: ${size} KiB]` };
}

/** Where not even the marker fits, the head alone. */
export function cutText(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return text;
  const marker = `\n\n[… ${bytes.length} bytes, cut to ${bytesMax} …]\n\n`;
  const room = bytesMax - Buffer.byteLength(marker);
  if (room < 0) return bytes.subarray(0, startOfCharacter(bytes, bytesMax)).toString("utf8");
  const headBytes = Math.floor((room * 2) / 3);
  const head = bytes.subarray(0, startOfCharacter(bytes, headBytes));
  const tail = bytes.subarray(nextCharacter(bytes, bytes.length - (room - headBytes)));
  return `${head.toString("utf8")}${marker}${tail.toString("utf8")}`;
}

function cutItems(
  items: readonly OutputItem[],
  bytesMax: number,
  mediaMax: number,
): readonly OutputItem[] {
  let mediaLeft = mediaMax;
  const kept = items.map((item) => {
    const bytes = dataBytes(item);
    if (item.type !== "file" || bytes <= mediaLeft) {
      mediaLeft -= bytes;
      return item;
    }
    return leftOut(item);
  });
  const isFile = (item: OutputItem): boolean => item.type === "file" && item.data !== undefined;
  const words = kept.filter((item) => !isFile(item));
  const text = words.map(wordsOf).join("\n");
  if (Buffer.byteLength(text) <= bytesMax) return kept;
  // One text with one marker: what is said between pictures is seldom what is long.
  return [{ type: "text", text: cutText(text, bytesMax) }, ...kept.filter(isFile)];
}

function wordsOf(item: OutputItem): string {
  return item.type === "text" ? item.text : JSON.stringify(item);
}

function dataBytes(item: OutputItem): number {
  return item.type === "file" ? (item.data?.length ?? 0) : 0;
}

function textOf(output: Json): string {
  return typeof output === "string" ? output : JSON.stringify(output);
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
