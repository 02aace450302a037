import { createHash } from "node:crypto";
import { chunkBytes, type FileStore } from "../../domain/files.ts";
import { PayloadTooLarge } from "../errors.ts";
import { sniffType, TextWatch } from "./sniff.ts";

export interface Received {
  readonly media_type: string;
  readonly size_bytes: number;
  readonly sha256: Uint8Array;
}

/**
 * Takes in a file, chunk by chunk: what is held in memory does not grow with it.
 *
 * @throws PayloadTooLarge with the first byte too many; what was stored is the caller's to take back.
 */
export async function receiveFile(
  store: Pick<FileStore, "append">,
  file: { readonly id: string; readonly name: string; readonly bytes: AsyncIterable<Uint8Array> },
  bytesMax: number,
): Promise<Received> {
  const hash = createHash("sha256");
  const watch = new TextWatch();
  let head: Uint8Array = new Uint8Array();
  let size_bytes = 0;
  let n = 0;
  for await (const chunk of chunksOf(file.bytes)) {
    size_bytes += chunk.length;
    if (size_bytes > bytesMax) throw new PayloadTooLarge("The file", bytesMax);
    if (n === 0) head = chunk;
    hash.update(chunk);
    watch.push(chunk);
    await store.append(file.id, n, chunk);
    n += 1;
  }
  const media_type = await sniffType(head, watch.end(), file.name);
  return { media_type, size_bytes, sha256: hash.digest() };
}

/** The same bytes in pieces of `chunkBytes`, the last one shorter. */
async function* chunksOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    held.push(piece);
    bytes += piece.length;
    if (bytes < chunkBytes) continue;
    const all = Buffer.concat(held);
    let at = 0;
    for (; all.length - at >= chunkBytes; at += chunkBytes) yield all.subarray(at, at + chunkBytes);
    held = at === all.length ? [] : [all.subarray(at)];
    bytes = all.length - at;
  }
  if (bytes > 0) yield Buffer.concat(held);
}
