import { foldInto, type LivePart, type Part } from "@parley/protocol";

/**
 * How many live parts are kept for readers that resume: at 50 parts a second, five seconds of absence. Whoever was away
 * for longer gets the fold instead.
 */
export const ringPartsMax = 256;

/** So many live parts may wait to be folded; fewer than the ring keeps, which is where they wait. */
const unfoldedPartsMax = 64;

/** `count` live parts that follow each other, and one whose fold is theirs. */
export type OnRun = (part: LivePart, count: number) => void;

/**
 * What an episode has said: the last live parts as they were, and the fold of all. A part is taken with a store into the
 * ring and nothing else, so that it is on its way to the sockets at once; the fold is made before anybody looks at it,
 * and for many parts together. No timers, no I/O.
 */
export class Growth {
  readonly #onRun: OnRun | null;
  #seq = 0;
  /** The seq up to which everything is in the fold. */
  #folded = 0;
  /** The part with seq s is at `(s - 1) % ringPartsMax`. */
  readonly #ring: LivePart[] = [];
  /** The seq before the oldest part of the ring. */
  #ringAfter = 0;
  readonly #parts: Part[] = [];
  /** How many parts the fold of everything has. */
  #size = 0;

  /** `onRun` is told of everything as it is folded. */
  constructor(onRun: OnRun | null = null) {
    this.#onRun = onRun;
  }

  get seq(): number {
    return this.#seq;
  }

  /** Parts of the fold. */
  get size(): number {
    return this.#size;
  }

  /** Takes the next live part. `settle` is due after it has been delivered. @throws RangeError when an index was left out */
  push(part: LivePart): void {
    if ("index" in part) {
      if (part.index > this.#size) {
        throw new RangeError(`part ${part.index} arrived when only ${this.#size} were there`);
      }
      if (part.index === this.#size) this.#size += 1;
    }
    // Whoever did not settle must not lose what the ring is about to.
    if (this.#seq - this.#folded === ringPartsMax) this.#fold();
    this.#ring[this.#seq % ringPartsMax] = part;
    this.#seq += 1;
    if (this.#seq - this.#ringAfter > ringPartsMax) this.#ringAfter = this.#seq - ringPartsMax;
  }

  /** Folds what waits, where that is enough to be worth it. */
  settle(): void {
    if (this.#seq - this.#folded >= unfoldedPartsMax) this.#fold();
  }

  /** Everything as of `seq`, instead of what was there. */
  replace(seq: number, parts: readonly Part[]): void {
    this.#parts.splice(0, this.#parts.length, ...parts);
    this.#size = parts.length;
    this.#seq = this.#folded = this.#ringAfter = seq;
  }

  /** The fold of everything up to `seq`. The list is the caller's; its elements are never changed. */
  parts(): Part[] {
    this.#fold();
    return [...this.#parts];
  }

  /** The seq up to which `onRun` has been told. */
  get told(): number {
    return this.#folded;
  }

  /** Tells `onRun` of everything that it has not heard of. */
  tell(): void {
    this.#fold();
  }

  /** The live parts after `seq`, or null where the ring does not reach back that far. */
  since(seq: number): LivePart[] | null {
    if (seq < this.#ringAfter || seq > this.#seq) return null;
    const parts: LivePart[] = [];
    for (let s = seq; s < this.#seq; s++) parts.push(this.#ring[s % ringPartsMax] as LivePart);
    return parts;
  }

  #fold(): void {
    while (this.#folded < this.#seq) {
      const first = this.#ring[this.#folded % ringPartsMax] as LivePart;
      const texts = this.#textsFrom(this.#folded, first);
      const run = texts.length > 1 ? withText(first, texts.join("")) : first;
      // A type of a later version need not be told from others: it is folded as it is.
      foldInto(this.#parts, run);
      const count = Math.max(1, texts.length);
      this.#folded += count;
      this.#onRun?.(run, count);
    }
  }

  /** The texts of the deltas from here on that grow the same part; none where there is no delta. */
  #textsFrom(from: number, first: LivePart): string[] {
    const texts: string[] = [];
    for (let s = from; s < this.#seq; s++) {
      const text = grownBy(first, this.#ring[s % ringPartsMax] as LivePart);
      if (text === null) break;
      texts.push(text);
    }
    return texts;
  }
}

/** What `next` adds to the part that `first` is a delta of; null where it is none of that. */
function grownBy(first: LivePart, next: LivePart): string | null {
  if ("delta" in first) {
    const same = "delta" in next && next.type === first.type && next.index === first.index;
    return same ? next.delta : null;
  }
  if (!("input_delta" in first) || !("input_delta" in next)) return null;
  const same =
    next.index === first.index &&
    next.tool_call_id === first.tool_call_id &&
    next.tool_name === first.tool_name;
  return same ? next.input_delta : null;
}

function withText(part: LivePart, text: string): LivePart {
  if ("delta" in part) return { ...part, delta: text };
  return "input_delta" in part ? { ...part, input_delta: text } : part;
}
