import type { LivePart, Part } from "@parley/protocol";

/** Live parts are not folded one by one in a checkpoint: neighbouring deltas of one index are joined. */
export class Tail {
  /** The seq before the first part in here. */
  readonly #after: number;
  #seq: number;
  readonly #parts: LivePart[] = [];
  /** Whether the last element is a copy of ours that may be grown in place. */
  #growing = false;

  constructor(afterSeq: number) {
    this.#after = afterSeq;
    this.#seq = afterSeq;
  }

  get firstSeq(): number {
    return this.#after + 1;
  }

  get lastSeq(): number {
    return this.#seq;
  }

  get empty(): boolean {
    return this.#seq === this.#after;
  }

  get parts(): readonly LivePart[] {
    return this.#parts;
  }

  /** The next `count` parts of the episode: one that stands for all of them. */
  push(part: LivePart, count: number): void {
    this.#seq += count;
    this.#add(part);
  }

  /** Everything of a tail that follows directly on this one. */
  join(next: Tail): void {
    for (const part of next.#parts) this.#add(part);
    this.#seq = next.#seq;
  }

  #add(part: LivePart): void {
    // Neither is folded: only their seq counts.
    if (part.type === "tool-progress" || part.type === "truncated") return;
    const last = this.#parts.at(-1);
    if (this.#growing && last !== undefined && grow(last, part)) return;
    this.#growing = "delta" in part || "input_delta" in part;
    this.#parts.push(this.#growing ? { ...part } : part);
  }
}

function grow(last: LivePart, part: LivePart): boolean {
  if ("delta" in part) {
    if (!("delta" in last) || last.type !== part.type || last.index !== part.index) return false;
    last.delta += part.delta;
    return true;
  }
  if (!("input_delta" in part) || !("input_delta" in last)) return false;
  if (last.index !== part.index || last.tool_call_id !== part.tool_call_id) return false;
  last.input_delta += part.input_delta;
  return true;
}

/** Live parts whose fold is `parts`: how a whole episode is written down. */
export function liveFormOf(parts: readonly Part[]): LivePart[] {
  return parts.map((part, index): LivePart => {
    if (part.type === "tool-call" && part.partial === true) {
      const { type, tool_call_id, tool_name, input_text } = part;
      return { type, index, tool_call_id, tool_name, input_delta: input_text ?? "" };
    }
    return { ...part, index };
  });
}
