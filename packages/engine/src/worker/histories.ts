import type { Part } from "@parley/protocol";
import type { MessageRow } from "../domain/rows.ts";
import type { Transcript } from "./tasks/transcript.ts";

/** Of all histories together, as they lie in memory: some thousands of chats of everyday length. */
export const historyBytesMax = 64 * 1024 * 1024;

/** What a message and its parts cost beside their text. */
const messageBytes = 600;
const partBytes = 200;

interface Kept {
  readonly transcript: Transcript;
  readonly bytes: number;
}

/**
 * The histories of chats whose turns ended on this replica, for their next turns. Each is named by its history version,
 * which every change of history moves, wherever it is made: what is asked for under the version of the locked row is
 * exactly what the database would give. The least recently used go first.
 */
export class Histories {
  readonly #bytesMax: number;
  readonly #byChat = new Map<string, Kept>();
  #bytes = 0;

  constructor(bytesMax = historyBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#byChat.size;
  }

  /** To be called with what is committed. */
  remember(chatId: string, transcript: Transcript): void {
    const before = this.#byChat.get(chatId);
    // A bundle that committed earlier may be heard of later.
    if (before && before.transcript.history_version > transcript.history_version) return;
    this.forget(chatId);
    const bytes = bytesOf(transcript.context, before?.transcript.context, before?.bytes);
    if (bytes > this.#bytesMax) return;
    this.#byChat.set(chatId, { transcript, bytes });
    this.#bytes += bytes;
    for (const [oldest] of this.#byChat) {
      if (this.#bytes <= this.#bytesMax) break;
      this.forget(oldest);
    }
  }

  /** The history at this version; null where it is not known here. */
  at(chatId: string, historyVersion: number): Transcript | null {
    const kept = this.#byChat.get(chatId);
    if (kept?.transcript.history_version !== historyVersion) return null;
    this.#byChat.delete(chatId);
    this.#byChat.set(chatId, kept);
    return kept.transcript;
  }

  forget(chatId: string): void {
    this.#bytes -= this.#byChat.get(chatId)?.bytes ?? 0;
    this.#byChat.delete(chatId);
  }

  /** Another database, or the same one at another time: versions that were seen may name something else. */
  forgetAll(): void {
    this.#byChat.clear();
    this.#bytes = 0;
  }
}

/** A history mostly grows at its end: what was counted before is not counted again. */
function bytesOf(
  context: readonly MessageRow[],
  before: readonly MessageRow[] = [],
  bytesBefore = 0,
): number {
  const known = before.length;
  const grew = known > 0 && context[0] === before[0] && context[known - 1] === before[known - 1];
  const fresh = grew ? context.slice(known) : context;
  return fresh.reduce(
    (sum, { parts }) => sum + messageBytes + partsBytes(parts),
    grew ? bytesBefore : 0,
  );
}

function partsBytes(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + partBytes + 2 * textLength(part), 0);
}

function textLength(part: Part): number {
  return part.type === "text" ? part.text.length : JSON.stringify(part).length;
}
