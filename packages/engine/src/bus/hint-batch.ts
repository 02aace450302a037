import type { ChatHint } from "../domain/commit.ts";

/** Of two hints for one chat the newer versions count; it is unowned if the newer one says so. */
export function mergeHints(a: ChatHint, b: ChatHint): ChatHint {
  const newer = b.snapshot_version >= a.snapshot_version ? b : a;
  return {
    chat_id: a.chat_id,
    snapshot_version: newer.snapshot_version,
    metadata_version: Math.max(a.metadata_version, b.metadata_version),
    unowned: newer.unowned,
  };
}

/** Chats whose hints wait, while there is no connection or it is slow. Those beyond it are found by the polls. */
export const waitingHintsMax = 10_000;

/** Hints that wait to be sent, at most one for each chat. */
export class HintBatch {
  readonly #hints = new Map<string, ChatHint>();

  add(hint: ChatHint): void {
    const waiting = this.#hints.get(hint.chat_id);
    if (waiting === undefined && this.#hints.size >= waitingHintsMax) return;
    this.#hints.set(hint.chat_id, waiting ? mergeHints(waiting, hint) : hint);
  }

  get size(): number {
    return this.#hints.size;
  }

  /** Takes everything out. */
  drain(): ChatHint[] {
    const hints = [...this.#hints.values()];
    this.#hints.clear();
    return hints;
  }
}
