import type { ChatHint } from "../domain/commit.ts";

/**
 * Best-effort notifications between replicas. They may be lost, doubled or reordered, and nothing may depend on them
 * for correctness: they only make things sooner.
 */
export interface Bus {
  /** After a commit. Never blocks and never throws; hints for one chat that wait together are merged. */
  publish(hint: ChatHint): void;
  /** Hints of other replicas; this one's own do not come back. Returns the way out. */
  subscribe(listener: BusListener): () => void;
  /** Connects in the background: a bus that cannot be reached delays nothing. */
  start(): void;
  stop(): Promise<void>;
}

export interface BusListener {
  hint(hint: ChatHint): void;
  /** The connection was made again: hints may have been lost, so everybody looks at the database. */
  resync(): void;
}
