import type { LivePart, Part } from "@parley/protocol";
import type { EpisodeKey, EpisodeListener, EpisodeView, Following } from "../../parts/ports.ts";
import { Mirror } from "./mirror.ts";

/** Following an episode over a link. It outlives connections: what it has not got yet is asked for again. */
export class RemoteFollowing implements Following {
  readonly stream: number;
  readonly key: EpisodeKey;
  readonly #fromSeq: number;
  readonly #listener: EpisodeListener;
  readonly #onStop: () => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #mirror: Mirror;
  #over = false;

  constructor(
    stream: number,
    key: EpisodeKey,
    fromSeq: number,
    listener: EpisodeListener,
    onStop: () => void,
    onFailure: (error: unknown) => void,
  ) {
    this.stream = stream;
    this.key = key;
    this.#fromSeq = fromSeq;
    this.#listener = listener;
    this.#onStop = onStop;
    this.#onFailure = onFailure;
    this.#mirror = new Mirror(key);
  }

  /**
   * What to ask for. At first that is everything, whatever the listener has already: the fold of all of it is what
   * those who join are shown.
   */
  get nextSeq(): number {
    return this.#mirror.seq + 1;
  }

  view(): EpisodeView | undefined {
    return this.#mirror.view();
  }

  since(seq: number): readonly LivePart[] | null {
    return this.#mirror.since(seq);
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onStop();
  }

  /** False where parts are missing before these. @throws RangeError when they are no episode */
  parts(firstSeq: number, parts: readonly LivePart[]): boolean {
    const fresh = this.#mirror.append(firstSeq, parts);
    if (fresh === null) return false;
    const freshFrom = this.#mirror.seq + 1 - fresh.length;
    const known = Math.max(0, this.#fromSeq - freshFrom);
    const wanted = known === 0 ? fresh : fresh.slice(known);
    if (wanted.length > 0) {
      try {
        this.#listener.parts(freshFrom + known, wanted);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#mirror.settle();
    return true;
  }

  snapshot(seq: number, parts: readonly Part[], truncated: boolean): void {
    if (!this.#mirror.replace(seq, parts, truncated)) return;
    if (seq >= this.#fromSeq) this.#guarded(() => this.#listener.snapshot(seq, [...parts]));
  }

  closed(): void {
    this.#over = true;
    this.#mirror.close();
    this.#guarded(() => this.#listener.closed());
  }

  /** A listener that throws is our bug, and none of the peer's or of other listeners. */
  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#onFailure(error);
    this.stop();
  }
}
