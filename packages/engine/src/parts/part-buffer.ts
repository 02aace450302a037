import type { LivePart, Part } from "@parley/protocol";
import type { Commit } from "../domain/commit.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { Episode, type EpisodeLimits } from "./episode.ts";
import type {
  EpisodeKey,
  EpisodeListener,
  EpisodeSource,
  EpisodeView,
  EpisodeWriter,
  Following,
} from "./ports.ts";

export interface PartBufferOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Content of one episode. Default 1 MiB. */
  readonly episodeBytesMax?: number;
  /** Content of all episodes of the replica. Default 256 MiB. */
  readonly totalBytesMax?: number;
}

const episodeBytesDefault = 1024 * 1024;
const totalBytesDefault = 256 * 1024 * 1024;

/** How long an episode stays after its history version has moved on: readers that are a moment behind still get it. */
const retentionMs = 15_000;

/**
 * A closed episode that nobody reads and whose history version seems never to move on (another replica moved it, and
 * nobody told us) goes after this long; its checkpoint is what remains. Longer than any retry's back-off.
 */
const idleRetentionMs = 5 * 60_000;

const sweepMs = 5_000;

interface Kept {
  readonly episode: Episode;
  /** Monotonic time from which it may go; null while it is current. */
  expiresAt: number | null;
  /** Monotonic time of the close or, while it is open, of the opening. */
  touchedAt: number;
}

/** The episodes of one chat. */
interface Chat {
  /** By history version and attempt. */
  readonly byName: Map<string, Kept>;
  /** Those that are not known to be over: few, however many there are. */
  readonly current: Set<Kept>;
}

/** The live parts of this replica's own runners, in memory (DESIGN, section 6). */
export class PartBuffer implements EpisodeSource {
  readonly #clock: Clock;
  readonly #limits: EpisodeLimits;
  readonly #totalBytesMax: number;
  #totalBytes = 0;
  readonly #chats = new Map<string, Chat>();
  /** Open episodes of this replica's own runners. */
  readonly #writing = new Set<Episode>();
  #partsOfClosed = 0;
  #timer: Timer | undefined;

  constructor(options: PartBufferOptions) {
    this.#clock = options.clock;
    this.#totalBytesMax = options.totalBytesMax ?? totalBytesDefault;
    this.#limits = {
      episodeBytesMax: options.episodeBytesMax ?? episodeBytesDefault,
      claim: (bytes) => this.#claim(bytes),
      listenerFailed: (err, key) =>
        options.logger.error({ err, ...key }, "an episode's reader threw"),
    };
  }

  /** Bytes of content held, and the number of episodes. */
  stats(): { bytes: number; episodes: number } {
    let episodes = 0;
    for (const { byName } of this.#chats.values()) episodes += byName.size;
    return { bytes: this.#totalBytes, episodes };
  }

  /** Live parts that this replica's runners have said since the start. Counted when somebody asks, not with each part. */
  saidParts(): number {
    let parts = this.#partsOfClosed;
    for (const { seq } of this.#writing) parts += seq;
    return parts;
  }

  /** Opens the episode for the runner that recorded its attempt. A writer of a closed episode does nothing. */
  open(key: EpisodeKey, runnerId: string): EpisodeWriter {
    this.historyMoved(key.chat_id, key.history_version);
    const kept = this.#obtain(key);
    const { episode } = kept;
    if (!episode.open(runnerId)) return { append() {}, close() {}, seq: episode.seq };
    this.#writing.add(episode);
    return {
      append: (part: LivePart) => episode.append(part),
      close: () => this.#close(kept),
      get seq() {
        return episode.seq;
      },
    };
  }

  /** Closing an unknown episode creates it closed, so that an interrupt that wins the race stops a late writer. */
  close(key: EpisodeKey): void {
    this.#close(this.#obtain(key));
  }

  read(key: EpisodeKey): EpisodeView | undefined {
    return this.#find(key)?.episode.view();
  }

  newestWithParts(chatId: string, historyVersion: number): EpisodeView | undefined {
    let newest: Episode | undefined;
    for (const { episode } of this.#chats.get(chatId)?.byName.values() ?? []) {
      if (episode.key.history_version !== historyVersion || !episode.hasParts) continue;
      if (newest && newest.key.generation_attempt > episode.key.generation_attempt) continue;
      newest = episode;
    }
    return newest?.view();
  }

  /** Delivers from `fromSeq` on; an unknown episode is waited for. Returns the way to stop. */
  subscribe(key: EpisodeKey, fromSeq: number, listener: EpisodeListener): () => void {
    const kept = this.#obtain(key);
    const off = kept.episode.listen(fromSeq, listener);
    return () => {
      off();
      kept.touchedAt = this.#clock.monotonic();
      const unused = kept.episode.runnerId === null && !kept.episode.closed && !kept.episode.read;
      if (unused) this.#remove(kept);
    };
  }

  /** Every episode of a local owner is here, whoever that is. */
  follow(
    _ownerWorkerId: string | null,
    key: EpisodeKey,
    fromSeq: number,
    listener: EpisodeListener,
  ): Following {
    const stop = this.subscribe(key, fromSeq, listener);
    const episode = this.#find(key)?.episode;
    return {
      view: () => (episode && (episode.seq > 0 || episode.closed) ? episode.view() : undefined),
      since: (seq) => episode?.since(seq) ?? null,
      stop,
    };
  }

  /** What a dead owner had said, as its checkpoint has it. Nothing is appended to it any more. */
  adopt(key: EpisodeKey, seq: number, parts: readonly Part[]): void {
    const kept = this.#obtain(key);
    kept.episode.adopt(seq, parts);
    kept.touchedAt = this.#clock.monotonic();
  }

  /** The episodes that have been opened here and hold content: what checkpoints are made of. */
  *episodes(): Iterable<Episode> {
    for (const { byName } of this.#chats.values()) {
      for (const { episode } of byName.values()) if (episode.runnerId !== null) yield episode;
    }
  }

  /** The episode of a key, for its checkpoint. */
  episode(key: EpisodeKey): Episode | undefined {
    return this.#find(key)?.episode;
  }

  /** Part of the fan-out of what this replica commits: episodes of history versions that are over may go. */
  onCommits(commits: readonly Commit[]): void {
    for (const { chat, deleted } of commits) {
      if (!this.#chats.has(chat.id)) continue;
      this.historyMoved(chat.id, deleted ? Number.MAX_SAFE_INTEGER : chat.history_version);
    }
  }

  /** The chat is at this history version now. */
  historyMoved(chatId: string, historyVersion: number): void {
    const { current } = this.#chats.get(chatId) ?? {};
    if (current === undefined) return;
    const expiresAt = this.#clock.monotonic() + retentionMs;
    for (const kept of current) {
      if (kept.episode.key.history_version >= historyVersion) continue;
      kept.expiresAt = expiresAt;
      current.delete(kept);
    }
  }

  /** Stops the sweeping; what is held is let go with the buffer. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #close(kept: Kept): void {
    if (kept.episode.closed) return;
    kept.touchedAt = this.#clock.monotonic();
    if (this.#writing.delete(kept.episode)) this.#partsOfClosed += kept.episode.seq;
    kept.episode.close();
  }

  #find(key: EpisodeKey): Kept | undefined {
    return this.#chats.get(key.chat_id)?.byName.get(nameOf(key));
  }

  #obtain(key: EpisodeKey): Kept {
    let chat = this.#chats.get(key.chat_id);
    if (!chat) this.#chats.set(key.chat_id, (chat = { byName: new Map(), current: new Set() }));
    let kept = chat.byName.get(nameOf(key));
    if (!kept) {
      const { chat_id, history_version, generation_attempt } = key;
      const episode = new Episode({ chat_id, history_version, generation_attempt }, this.#limits);
      kept = { episode, expiresAt: null, touchedAt: this.#clock.monotonic() };
      chat.byName.set(nameOf(key), kept);
      chat.current.add(kept);
      this.#arm();
    }
    return kept;
  }

  #remove(kept: Kept): void {
    const { key, bytes } = kept.episode;
    const chat = this.#chats.get(key.chat_id);
    if (!chat?.byName.delete(nameOf(key))) return;
    chat.current.delete(kept);
    if (chat.byName.size === 0) this.#chats.delete(key.chat_id);
    this.#totalBytes -= bytes;
  }

  #claim(bytes: number): boolean {
    if (bytes > 0 && this.#totalBytes + bytes > this.#totalBytesMax) {
      this.#sweep(true);
      if (this.#totalBytes + bytes > this.#totalBytesMax) return false;
    }
    this.#totalBytes += bytes;
    return true;
  }

  #arm(): void {
    if (this.#timer || this.#chats.size === 0) return;
    this.#timer = this.#clock.timer(sweepMs, "parts.sweep", () => {
      this.#timer = undefined;
      this.#sweep(false);
      this.#arm();
    });
  }

  /** `pressed`: the budget is used up; what is over goes at once. */
  #sweep(pressed: boolean): void {
    const now = this.#clock.monotonic();
    for (const { byName } of this.#chats.values()) {
      const newest = pressed ? Infinity : newestWithContent(byName.values());
      for (const kept of byName.values()) {
        const { episode, expiresAt } = kept;
        if (episode.read) continue;
        const over = expiresAt !== null && (pressed || expiresAt <= now);
        const outdone = episode.closed && episode.key.generation_attempt < newest;
        const idle = episode.closed && kept.touchedAt + idleRetentionMs <= now;
        const stale = outdone && kept.touchedAt + retentionMs <= now;
        if (over || idle || stale) this.#remove(kept);
      }
    }
  }
}

/** The newest attempt of the newest history version that has parts; 0 where there is none. */
function newestWithContent(chat: Iterable<Kept>): number {
  let version = 0;
  let attempt = 0;
  for (const { episode } of chat) {
    const { history_version, generation_attempt } = episode.key;
    if (!episode.hasParts || history_version < version) continue;
    attempt =
      history_version > version ? generation_attempt : Math.max(attempt, generation_attempt);
    version = history_version;
  }
  return attempt;
}

function nameOf(key: EpisodeKey): string {
  return `${key.history_version}/${key.generation_attempt}`;
}
