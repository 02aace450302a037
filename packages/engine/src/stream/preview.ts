import type { LivePart, Part } from "@parley/protocol";
import type { ChatRow } from "../domain/rows.ts";
import {
  sameEpisode,
  type EpisodeKey,
  type EpisodeSource,
  type EpisodeView,
  type Following,
} from "../parts/ports.ts";
import type { PreviewPosition } from "./cursor.ts";
import { isNewerEpisode, mayStillCount, type ShownPreview } from "./plan.ts";

/** What a feed does with live parts as they come. */
export interface PreviewOutput {
  /** Parts of an episode follow that was not shown: whatever else is on a screen is superseded. */
  superseded(by: EpisodeKey): void;
  parts(key: EpisodeKey, firstSeq: number, parts: readonly LivePart[]): void;
  snapshot(key: EpisodeKey, seq: number, parts: readonly Part[]): void;
}

interface Shown {
  readonly key: EpisodeKey;
  seq: number;
  /** The fold, where the episode is not followed (any more). */
  frozen: readonly Part[] | null;
}

/**
 * Which episode a feed shows: the newest of the current history version that has parts. It follows the attempt that
 * the row names, and keeps showing an older one until that has its first part.
 */
export class Preview {
  readonly #source: EpisodeSource;
  readonly #output: PreviewOutput;
  #shown: Shown | null = null;
  #followed: { key: EpisodeKey; owner: string | null; following: Following | null } | null = null;

  constructor(source: EpisodeSource, output: PreviewOutput) {
    this.#source = source;
    this.#output = output;
  }

  get position(): PreviewPosition | null {
    if (this.#shown === null) return null;
    const { key, seq } = this.#shown;
    const { history_version, generation_attempt } = key;
    return { history_version, generation_attempt, seq };
  }

  /** For those who do not have it yet; a picture of now. */
  get shown(): ShownPreview | null {
    const { position } = this;
    const shown = this.#shown;
    if (position === null || shown === null) return null;
    return {
      position,
      parts: () => shown.frozen ?? this.#followed?.following?.view()?.parts ?? [],
      since: (seq) =>
        shown.frozen === null ? (this.#followed?.following?.since(seq) ?? null) : null,
    };
  }

  /** Lets go of a preview whose fate the row has decided. */
  dropStale(chat: ChatRow): void {
    if (this.#shown !== null && !mayStillCount(chat, this.#shown.key)) this.#shown = null;
  }

  /** Follows the attempt that the row names. May deliver at once. */
  follow(chat: ChatRow): void {
    const wanted = wantedEpisode(chat);
    const followed = this.#followed;
    const same =
      followed !== null &&
      wanted !== null &&
      sameEpisode(followed.key, wanted) &&
      followed.owner === chat.worker_id;
    if (same) return;
    this.#unfollow();
    if (wanted !== null) this.#start(wanted, chat.worker_id);
  }

  /** Shows an episode that is not followed: an earlier attempt, or what a checkpoint kept. */
  seed(view: Pick<EpisodeView, "key" | "seq" | "parts">): void {
    if (this.#shown !== null && !isNewerEpisode(view.key, this.#shown.key)) return;
    this.#shown = { key: view.key, seq: view.seq, frozen: view.parts };
  }

  stop(): void {
    this.#unfollow();
    this.#shown = null;
  }

  #start(key: EpisodeKey, owner: string | null): void {
    const entry: { key: EpisodeKey; owner: string | null; following: Following | null } = {
      key,
      owner,
      following: null,
    };
    this.#followed = entry;
    const shown = this.#shown;
    const fromSeq = shown !== null && sameEpisode(shown.key, key) ? shown.seq + 1 : 1;
    // What another follower's link still delivers, for an owner or episode that is over, is discarded.
    const current = (): boolean => this.#followed === entry;
    entry.following = this.#source.follow(owner, key, fromSeq, {
      parts: (firstSeq, parts) => {
        if (current()) this.#onParts(key, firstSeq, parts);
      },
      snapshot: (seq, parts) => {
        if (current()) this.#onSnapshot(key, seq, parts);
      },
      closed: () => {},
    });
    if (!current()) entry.following.stop();
  }

  #unfollow(): void {
    const followed = this.#followed;
    if (followed === null) return;
    const shown = this.#shown;
    if (shown !== null && shown.frozen === null && sameEpisode(shown.key, followed.key)) {
      shown.frozen = followed.following?.view()?.parts ?? [];
    }
    this.#followed = null;
    followed.following?.stop();
  }

  #onParts(key: EpisodeKey, firstSeq: number, parts: readonly LivePart[]): void {
    const shown = this.#switchTo(key);
    const seen = shown.seq + 1 - firstSeq;
    if (seen < 0) {
      // A source that leaves something out: ask again, it answers with a snapshot.
      const owner = this.#followed?.owner ?? null;
      this.#unfollow();
      this.#start(key, owner);
      return;
    }
    const fresh = seen === 0 ? parts : parts.slice(seen);
    if (fresh.length === 0) return;
    const from = shown.seq + 1;
    shown.seq += fresh.length;
    this.#output.parts(key, from, fresh);
  }

  #onSnapshot(key: EpisodeKey, seq: number, parts: readonly Part[]): void {
    const shown = this.#switchTo(key);
    if (seq <= shown.seq) return;
    shown.seq = seq;
    this.#output.snapshot(key, seq, parts);
  }

  #switchTo(key: EpisodeKey): Shown {
    const shown = this.#shown;
    if (shown !== null && sameEpisode(shown.key, key)) {
      shown.frozen = null;
      return shown;
    }
    this.#output.superseded(key);
    this.#shown = { key, seq: 0, frozen: null };
    return this.#shown;
  }
}

function wantedEpisode(chat: ChatRow): EpisodeKey | null {
  if (chat.generation_attempt === 0) return null;
  if (chat.status !== "running" && chat.status !== "interrupting") return null;
  const { id: chat_id, history_version, generation_attempt } = chat;
  return { chat_id, history_version, generation_attempt };
}
