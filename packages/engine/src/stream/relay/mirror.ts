import { foldInto, type LivePart, type Part } from "@parley/protocol";
import type { EpisodeKey, EpisodeView } from "../../parts/ports.ts";

/** As many live parts as the owner keeps for readers that resume. */
const ringPartsMax = 256;

/** An episode of another replica, as far as it has arrived here. Pure memory. */
export class Mirror {
  readonly #key: EpisodeKey;
  readonly #parts: Part[] = [];
  /** The part with seq s is at `(s - 1) % ringPartsMax`. */
  readonly #ring: LivePart[] = [];
  /** The seq before the oldest part of the ring. */
  #ringAfter = 0;
  #seq = 0;
  #closed = false;
  #truncated = false;

  constructor(key: EpisodeKey) {
    this.#key = key;
  }

  get seq(): number {
    return this.#seq;
  }

  /**
   * Takes what is new of it, and gives that; null where something is missing before it.
   *
   * @throws RangeError when the parts are no episode: an index was left out.
   */
  append(firstSeq: number, parts: readonly LivePart[]): readonly LivePart[] | null {
    const known = this.#seq + 1 - firstSeq;
    if (known < 0) return null;
    const fresh = known === 0 ? parts : parts.slice(known);
    for (const part of fresh) {
      foldInto(this.#parts, part);
      if (part.type === "truncated") this.#truncated = true;
      this.#ring[this.#seq % ringPartsMax] = part;
      this.#seq += 1;
    }
    this.#ringAfter = Math.max(this.#ringAfter, this.#seq - ringPartsMax);
    return fresh;
  }

  /** The whole as of `seq`; false where that is known already. */
  replace(seq: number, parts: readonly Part[], truncated: boolean): boolean {
    if (seq <= this.#seq) return false;
    this.#parts.splice(0, this.#parts.length, ...parts);
    this.#seq = seq;
    this.#ringAfter = seq;
    this.#truncated = truncated;
    return true;
  }

  close(): void {
    this.#closed = true;
  }

  view(): EpisodeView | undefined {
    if (this.#seq === 0 && !this.#closed) return undefined;
    return {
      key: this.#key,
      seq: this.#seq,
      parts: [...this.#parts],
      closed: this.#closed,
      truncated: this.#truncated,
    };
  }

  since(seq: number): LivePart[] | null {
    if (seq < this.#ringAfter || seq > this.#seq) return null;
    const parts: LivePart[] = [];
    for (let s = seq; s < this.#seq; s++) parts.push(this.#ring[s % ringPartsMax] as LivePart);
    return parts;
  }
}
