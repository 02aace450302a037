import type { LivePart, Part } from "@parley/protocol";
import { Growth } from "./growth.ts";
import type { EpisodeKey, EpisodeListener, EpisodeView } from "./ports.ts";
import { liveFormOf, Tail } from "./tail.ts";

/** What the part buffer tells an episode when it grows. */
export interface EpisodeLimits {
  /** Bytes of content that one episode may hold. */
  readonly episodeBytesMax: number;
  /** Asks for `bytes` more of the replica-wide budget (negative: gives back). False: there is no room. */
  claim(bytes: number): boolean;
  /** A listener threw: our bug, and none of the writer's business. */
  listenerFailed(error: unknown, key: EpisodeKey): void;
}

/** One episode in memory: what was said, who writes it and who listens. No timers, no I/O. */
export class Episode {
  readonly key: EpisodeKey;
  readonly #limits: EpisodeLimits;
  #runnerId: string | null = null;
  #closed = false;
  #truncated = false;
  /** Bytes of each folded part, by index: a whole part replaces what its deltas weighed. */
  readonly #bytes: number[] = [];
  #bytesTotal = 0;
  readonly #listeners = new Set<EpisodeListener>();
  #tail = new Tail(0);
  readonly #growth = new Growth((part, count) => this.#tail.push(part, count));

  constructor(key: EpisodeKey, limits: EpisodeLimits) {
    this.key = key;
    this.#limits = limits;
  }

  get seq(): number {
    return this.#growth.seq;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get runnerId(): string | null {
    return this.#runnerId;
  }

  get read(): boolean {
    return this.#listeners.size > 0;
  }

  get hasParts(): boolean {
    return this.#growth.size > 0;
  }

  get bytes(): number {
    return this.#bytesTotal;
  }

  /** False when it is closed, or another runner has it already. */
  open(runnerId: string): boolean {
    if (this.#closed || (this.#runnerId !== null && this.#runnerId !== runnerId)) return false;
    this.#runnerId = runnerId;
    return true;
  }

  append(part: LivePart): void {
    if (this.#closed || this.#truncated) return;
    if (!this.#weigh(part)) {
      this.#truncated = true;
      this.#deliver({ type: "truncated" });
      return;
    }
    this.#deliver(part);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of this.#listeners) {
      this.#guard(listener, () => listener.closed());
    }
  }

  /** Content that another runner said, recovered from its checkpoint: complete, and closed. */
  adopt(seq: number, parts: readonly Part[]): void {
    if (this.seq > 0 || this.#closed) return;
    this.#growth.replace(seq, parts);
    this.#tail = new Tail(seq);
    for (const part of parts) {
      const bytes = partBytes(part);
      this.#limits.claim(bytes);
      this.#bytesTotal += bytes;
      this.#bytes.push(bytes);
    }
    for (const listener of this.#listeners) {
      this.#guard(listener, () => listener.snapshot(seq, this.#growth.parts()));
    }
    this.close();
  }

  view(): EpisodeView {
    return {
      key: this.key,
      seq: this.seq,
      parts: this.#growth.parts(),
      closed: this.#closed,
      truncated: this.#truncated,
    };
  }

  /** The live parts after `seq`, or null where the ring does not reach back that far. */
  since(seq: number): LivePart[] | null {
    return this.#growth.since(seq);
  }

  listen(fromSeq: number, listener: EpisodeListener): () => void {
    this.#listeners.add(listener);
    if (this.seq >= fromSeq) {
      const missed = this.since(fromSeq - 1);
      if (missed) listener.parts(fromSeq, missed);
      else listener.snapshot(this.seq, this.#growth.parts());
    }
    if (this.#closed) listener.closed();
    return () => void this.#listeners.delete(listener);
  }

  /** Whether `takeTail` would give something. */
  get grown(): boolean {
    return this.seq > this.#growth.told || !this.#tail.empty;
  }

  /** What has grown since it was taken last; null when nothing has. */
  takeTail(): Tail | null {
    this.#growth.tell();
    if (this.#tail.empty) return null;
    const tail = this.#tail;
    this.#tail = new Tail(this.seq);
    return tail;
  }

  /** Everything so far, as a tail from seq 1; what `takeTail` would have given is part of it. */
  takeWhole(): { last_seq: number; live_parts: LivePart[] } {
    const live_parts = liveFormOf(this.#growth.parts());
    this.#tail = new Tail(this.seq);
    return { last_seq: this.seq, live_parts };
  }

  /** The sockets first: what late readers and checkpoints want of the part is made after they have it. */
  #deliver(part: LivePart): void {
    this.#growth.push(part);
    if (this.#listeners.size > 0) {
      const { seq } = this;
      const parts = [part];
      for (const listener of this.#listeners) {
        try {
          listener.parts(seq, parts);
        } catch (error) {
          this.#drop(listener, error);
        }
      }
    }
    this.#growth.settle();
  }

  #guard(listener: EpisodeListener, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#drop(listener, error);
    }
  }

  #drop(listener: EpisodeListener, error: unknown): void {
    this.#listeners.delete(listener);
    this.#limits.listenerFailed(error, this.key);
  }

  /** Books the content that the fold will hold with this part; false when that is too much. */
  #weigh(part: LivePart): boolean {
    if (part.type === "tool-progress" || part.type === "truncated") return true;
    const before = this.#bytes[part.index] ?? 0;
    const now =
      "delta" in part
        ? before + Buffer.byteLength(part.delta)
        : "input_delta" in part
          ? before + Buffer.byteLength(part.input_delta)
          : partBytes(part);
    const growth = now - before;
    if (growth > 0 && this.#bytesTotal + growth > this.#limits.episodeBytesMax) return false;
    if (!this.#limits.claim(growth)) return false;
    this.#bytes[part.index] = now;
    this.#bytesTotal += growth;
    return true;
  }
}

/** What a whole part weighs. Text, the usual case, is not serialized for it. */
function partBytes(part: Part | LivePart): number {
  if (part.type === "text" && "text" in part && part.provider_metadata === undefined) {
    return Buffer.byteLength(part.text);
  }
  return Buffer.byteLength(JSON.stringify(part));
}
