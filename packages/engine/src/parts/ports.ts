import type { LivePart, Part } from "@parley/protocol";

/** One attempt at the model call (or tool batch) of a step: what its live parts are filed under. */
export interface EpisodeKey {
  readonly chat_id: string;
  readonly history_version: number;
  readonly generation_attempt: number;
}

export function sameEpisode(a: EpisodeKey, b: EpisodeKey): boolean {
  if (a === b) return true;
  return (
    a.generation_attempt === b.generation_attempt &&
    a.history_version === b.history_version &&
    a.chat_id === b.chat_id
  );
}

/** How a runner writes an episode that it recorded itself. After a close, its own or another's, nothing happens. */
export interface EpisodeWriter {
  append(part: LivePart): void;
  close(): void;
  /** The seq of the last part; 0 before the first. */
  readonly seq: number;
}

/** An episode as of `seq`. */
export interface EpisodeView {
  readonly key: EpisodeKey;
  readonly seq: number;
  /** The fold of all live parts up to `seq`. The list is the caller's; its elements are never changed. */
  readonly parts: Part[];
  readonly closed: boolean;
  /** The episode was full: what is here is not all that was said. */
  readonly truncated: boolean;
}

/** Called synchronously, in order. Must not throw. */
export interface EpisodeListener {
  /** `parts[i]` has seq `firstSeq + i`; `firstSeq` follows directly on what was delivered before. */
  parts(firstSeq: number, parts: readonly LivePart[]): void;
  /** The whole fold as of `seq`, where the live parts in between are not kept any more. */
  snapshot(seq: number, parts: readonly Part[]): void;
  /** Nothing more comes. */
  closed(): void;
}

/** Following one episode: what a feed holds on to. */
export interface Following {
  /** What has been delivered so far, folded; undefined while nothing is known of the episode. */
  view(): EpisodeView | undefined;
  /** The live parts after `seq`, or null where they are not kept that far back. */
  since(seq: number): readonly LivePart[] | null;
  stop(): void;
}

/** Where a feed gets live parts from: the part buffer of this replica, or a relay to the owner's. */
export interface EpisodeSource {
  /** The newest episode of the history version that has parts, if it is in this replica's memory. */
  newestWithParts(chatId: string, historyVersion: number): EpisodeView | undefined;
  /**
   * Delivers from `fromSeq` on (1: everything): first, before this returns or later, what there is, then what comes.
   * An episode that does not exist yet is waited for.
   */
  follow(
    ownerWorkerId: string | null,
    key: EpisodeKey,
    fromSeq: number,
    listener: EpisodeListener,
  ): Following;
}

/** The grown end of an episode: live parts, coalesced, whose fold is what was said from `first_seq` to `last_seq`. */
export interface CheckpointTail extends EpisodeKey {
  readonly runner_id: string;
  /** 1: the whole episode, which replaces what is stored. */
  readonly first_seq: number;
  readonly last_seq: number;
  readonly live_parts: readonly LivePart[];
}

/**
 * What became of a tail: `written`; `gap`: what is stored does not end at `first_seq - 1` (write the whole);
 * `foreign`: the chat does not name this runner, version and attempt any more.
 */
export type CheckpointOutcome = "written" | "gap" | "foreign";

export interface Checkpoint {
  readonly generation_attempt: number;
  readonly last_seq: number;
  readonly parts: Part[];
}

/** Live text that outlives the replica that produced it. The PostgreSQL side is `store/checkpoints.ts`. */
export interface CheckpointPort {
  /** Writes all tails in one statement; one outcome for each, in order. */
  write(tails: readonly CheckpointTail[]): Promise<CheckpointOutcome[]>;
  /** The newest attempt of this history version that has parts. */
  read(chatId: string, historyVersion: number): Promise<Checkpoint | null>;
  /** Removes what no chat's current history version names. */
  sweep(): Promise<void>;
}
