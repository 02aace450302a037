import type { Clock, Timer } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Episode } from "./episode.ts";
import type { PartBuffer } from "./part-buffer.ts";
import type { CheckpointPort, CheckpointTail, EpisodeKey } from "./ports.ts";
import type { Tail } from "./tail.ts";

/** The most live text that is lost with a replica. */
const intervalMs = 1_000;

/** Rows that no chat's current history version names are removed this often. */
const sweepMs = 60_000;

/** One statement stays bounded; what does not fit goes with the next. */
const statementBytesMax = 8 * 1024 * 1024;

export interface CheckpointLoopOptions {
  readonly parts: PartBuffer;
  readonly port: CheckpointPort;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is known of an episode's stored state. */
interface Progress {
  /** Taken from the episode and not acknowledged yet. */
  pending: Tail | null;
  /** What is stored cannot be continued: the whole is written next. */
  whole: boolean;
  /** The chat names another runner, version or attempt: nothing more is written. */
  foreign: boolean;
}

/** Once a second, one statement for the grown ends of all episodes that this replica's runners write. */
export class CheckpointLoop {
  readonly #options: CheckpointLoopOptions;
  readonly #progress = new WeakMap<Episode, Progress>();
  #timer: Timer | undefined;
  #sweptAt: number;
  #writing: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CheckpointLoopOptions) {
    this.#options = options;
    this.#sweptAt = options.clock.monotonic();
  }

  start(): void {
    this.#arm();
  }

  /** Waits for the write that runs; what has grown since is not written: `flush` first to keep it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#writing?.catch(() => {});
  }

  /** Everything said so far is stored when this resolves. @throws what the port throws. */
  async flush(): Promise<void> {
    await this.#flushUntil(() => this.#behind().length === 0);
  }

  /**
   * Everything said in this episode is stored when this resolves, or it is known that the chat has moved on.
   * @throws what the port throws.
   */
  async flushEpisode(key: EpisodeKey): Promise<void> {
    const episode = this.#options.parts.episode(key);
    if (!episode || episode.runnerId === null) return;
    await this.#flushUntil(() => !this.#isBehind(episode));
  }

  async #flushUntil(done: () => boolean): Promise<void> {
    while (!done()) {
      // A write under way may have been sent before the last part; one that was not is shared with the loop.
      // oxlint-disable-next-line no-await-in-loop
      await (this.#writing?.catch(() => {}) ?? this.#write());
    }
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(
      intervalMs,
      "parts.checkpoint",
      () => void this.#tick(),
    );
  }

  async #tick(): Promise<void> {
    const { clock, port, logger } = this.#options;
    try {
      await (this.#writing ?? this.#write());
      if (clock.monotonic() - this.#sweptAt >= sweepMs) {
        this.#sweptAt = clock.monotonic();
        await port.sweep();
      }
    } catch (err) {
      // What was not written is still pending: the next tick tries again.
      logger.warn({ err }, "checkpoints could not be written");
    }
    this.#arm();
  }

  #write(): Promise<void> {
    this.#writing = this.#writeOnce().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeOnce(): Promise<void> {
    const batch: { episode: Episode; tail: CheckpointTail }[] = [];
    let bytes = 0;
    for (const episode of this.#behind()) {
      const tail = this.#take(episode);
      if (!tail) continue;
      batch.push({ episode, tail });
      bytes += episode.bytes;
      if (bytes > statementBytesMax) break;
    }
    if (batch.length === 0) return;
    const outcomes = await this.#options.port.write(batch.map(({ tail }) => tail));
    batch.forEach(({ episode }, i) => {
      const progress = this.#progressOf(episode);
      const outcome = outcomes[i] ?? "foreign";
      progress.pending = null;
      progress.whole = outcome === "gap";
      progress.foreign = outcome === "foreign";
    });
  }

  #take(episode: Episode): CheckpointTail | null {
    const progress = this.#progressOf(episode);
    const named = { ...episode.key, runner_id: episode.runnerId as string };
    if (progress.whole) {
      progress.pending = null;
      return { ...named, first_seq: 1, ...episode.takeWhole() };
    }
    const grown = episode.takeTail();
    if (grown && progress.pending) progress.pending.join(grown);
    else if (grown) progress.pending = grown;
    const tail = progress.pending;
    if (!tail) return null;
    return {
      ...named,
      first_seq: tail.firstSeq,
      last_seq: tail.lastSeq,
      live_parts: [...tail.parts],
    };
  }

  #behind(): Episode[] {
    return [...this.#options.parts.episodes()].filter((episode) => this.#isBehind(episode));
  }

  #isBehind(episode: Episode): boolean {
    const progress = this.#progress.get(episode);
    if (progress?.foreign === true) return false;
    return (progress?.pending ?? null) !== null || progress?.whole === true || episode.grown;
  }

  #progressOf(episode: Episode): Progress {
    let progress = this.#progress.get(episode);
    if (!progress) {
      progress = { pending: null, whole: false, foreign: false };
      this.#progress.set(episode, progress);
    }
    return progress;
  }
}
