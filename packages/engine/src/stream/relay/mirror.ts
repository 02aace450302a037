import type { LivePart, Part } from "@parley/protocol";
import { Growth } from "../../parts/growth.ts";
import type { EpisodeKey, EpisodeView } from "../../parts/ports.ts";

/** An episode of another replica, as far as it has arrived here. Pure memory. */
export class Mirror {
  readonly #key: EpisodeKey;
  readonly #growth = new Growth();
  #closed = false;
  #truncated = false;

  constructor(key: EpisodeKey) {
    this.#key = key;
  }

  get seq(): number {
    return this.#growth.seq;
  }

  /**
   * Takes what is new of it, and gives that; null where something is missing before it. `settle` is due after it.
   *
   * @throws RangeError when the parts are no episode: an index was left out.
   */
  append(firstSeq: number, parts: readonly LivePart[]): readonly LivePart[] | null {
    const known = this.seq + 1 - firstSeq;
    if (known < 0) return null;
    const fresh = known === 0 ? parts : parts.slice(known);
    for (const part of fresh) {
      this.#growth.push(part);
      if (part.type === "truncated") this.#truncated = true;
    }
    return fresh;
  }

  /** What was taken has been passed on: now it may be folded. */
  settle(): void {
    this.#growth.settle();
  }

  /** The whole as of `seq`; false where that is known already. */
  replace(seq: number, parts: readonly Part[], truncated: boolean): boolean {
    if (seq <= this.seq) return false;
    this.#growth.replace(seq, parts);
    this.#truncated = truncated;
    return true;
  }

  close(): void {
    this.#closed = true;
  }

  view(): EpisodeView | undefined {
    if (this.seq === 0 && !this.#closed) return undefined;
    return {
      key: this.#key,
      seq: this.seq,
      parts: this.#growth.parts(),
      closed: this.#closed,
      truncated: this.#truncated,
    };
  }

  since(seq: number): LivePart[] | null {
    return this.#growth.since(seq);
  }
}
