import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { CheckpointPort, EpisodeSource } from "../parts/ports.ts";
import type { Database } from "../postgres/database.ts";
import type { SyncReads } from "./sync-reads.ts";
import type { NextTurn } from "./turn.ts";
import type { WaitingWatch } from "./waiting.ts";

/** What feeds take from the outside. */
export interface FeedDeps {
  readonly database: Database;
  readonly reads: Pick<SyncReads, "read">;
  readonly episodes: EpisodeSource;
  readonly checkpoints: Pick<CheckpointPort, "read">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly turn: NextTurn;
  /** Tells why a chat that nobody drives waits. */
  readonly waiting: Pick<WaitingWatch, "watch" | "forget">;
  /** A read that controls a stream may take this long; then the stream starts from what it has, or tries again. */
  readonly controlReadMs: number;
}

/** How long that is where nothing else is set. */
export const controlReadMs = 5_000;

/** How long a feed waits after a read that failed: doubling, with jitter. */
export const readBackoff = { baseMs: 500, maxMs: 10_000 };

/** Finds what notifications have lost. */
export const pollMs = 10_000;
