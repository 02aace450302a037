import type { PendingAction, Waiting } from "@parley/protocol";
import type { Commit } from "../domain/commit.ts";
import type { ChatRow, QueueRow } from "../domain/rows.ts";
import { isRunnable } from "../domain/state.ts";
import type { ChatVersions, SyncRequest, SyncResult } from "../store/sync.ts";
import { trimmed, withChanges, withRead, type Recent } from "./recent.ts";

/** What a feed knows of its chat, as of `chat.snapshot_version`. Pure: every event gives a new one. */
export interface FeedState {
  readonly chat: ChatRow;
  readonly queue: readonly QueueRow[];
  /** Null unless the chat waits for a client or a decision. */
  readonly actions: readonly PendingAction[] | null;
  readonly recent: Recent;
  /** Monotonic time since when the chat could run and nobody drives it; null: it cannot, or somebody does. */
  readonly unownedSince: number | null;
  /** Why it waits, where it has done so for long enough to tell. */
  readonly waiting: Waiting | null;
}

/**
 * The state after a read. `known` may be newer than what was read (commits were handed over in the meantime): then
 * only the memory of messages grows.
 */
export function afterRead(
  known: FeedState | null,
  request: SyncRequest,
  result: SyncResult,
  now: number,
): FeedState {
  const recent = withRead(known?.recent ?? null, request, result);
  if (known !== null && !isNewer(result.chat, known.chat)) return { ...known, recent };
  const { chat, queue, actions } = result;
  return observed(known, { chat, queue, actions, recent }, now);
}

/** What a commit of this replica means to a feed in this state. */
export type CommitVerdict = "apply" | "later" | "read" | "drop";

export function judgeCommit(state: FeedState, commit: Commit): CommitVerdict {
  const { chat, before } = commit;
  if (commit.deleted) return "apply";
  if (!isNewer(chat, state.chat)) return "drop";
  // Metadata alone is committed without a bump: it follows on the snapshot that it names.
  const bumped = before?.snapshot_version !== chat.snapshot_version;
  const follows = bumped ? chat.snapshot_version - 1 : chat.snapshot_version;
  if (follows > state.chat.snapshot_version) return "later";
  return follows < state.chat.snapshot_version || commit.historyCut ? "read" : "apply";
}

/** The state after a commit that `judgeCommit` lets apply. */
export function afterCommit(state: FeedState, commit: Commit, now: number): FeedState {
  const { chat } = commit;
  // Metadata alone: the rest of the commit is empty, because nothing else was looked at.
  if (chat.snapshot_version === state.chat.snapshot_version) return { ...state, chat };
  const queue = commit.queue ?? (chat.queue_length === 0 ? [] : state.queue);
  const actions = chat.status === "requires_action" ? commit.actions : null;
  const recent = trimmed(withChanges(state.recent, commit.messages));
  return observed(state, { chat, queue, actions, recent }, now);
}

/** The state after the poll found these versions; null: a read is needed. */
export function afterPoll(state: FeedState, found: ChatVersions, now: number): FeedState | null {
  const next = afterVersions(state, found);
  if (next === null || found.worker_id === null || found.worker_id !== state.chat.worker_id)
    return next;
  // Only the poll sees that the owner has died: nothing is committed by that.
  const orphaned = found.orphaned && isRunnable(next.chat);
  return released(next, orphaned ? (next.unownedSince ?? now) : null);
}

function released(state: FeedState, unownedSince: number | null): FeedState {
  if (unownedSince === state.unownedSince) return state;
  return { ...state, unownedSince, waiting: unownedSince === null ? null : state.waiting };
}

function afterVersions(state: FeedState, found: ChatVersions): FeedState | null {
  const { chat } = state;
  const newer =
    found.snapshot_version > chat.snapshot_version ||
    found.metadata_version > chat.metadata_version;
  if (!newer) return state;
  const same =
    found.history_version === chat.history_version &&
    found.queue_version === chat.queue_version &&
    found.retry_state_version === chat.retry_state_version &&
    found.metadata_version === chat.metadata_version &&
    found.generation_attempt === chat.generation_attempt &&
    found.worker_id === chat.worker_id &&
    found.status === chat.status &&
    found.archived === chat.archived;
  // A decision among several, or a second request to stop, changes no version of its own.
  if (!same || found.status === "requires_action" || found.status === "interrupting") return null;
  return { ...state, chat: { ...chat, snapshot_version: found.snapshot_version } };
}

/** The state after it was asked why the chat waits; the same object where nothing is to be told. */
export function afterJudgement(state: FeedState, waiting: Waiting | null): FeedState {
  if (state.unownedSince === null) return state;
  const { reason, missing } = state.waiting ?? {};
  if (reason === waiting?.reason && missing === waiting?.missing) return state;
  return { ...state, waiting };
}

/** Versions only grow; metadata may change without a new snapshot. */
export function isNewer(
  a: Pick<ChatRow, "snapshot_version" | "metadata_version">,
  b: Pick<ChatRow, "snapshot_version" | "metadata_version">,
): boolean {
  return a.snapshot_version > b.snapshot_version || a.metadata_version > b.metadata_version;
}

function observed(
  before: FeedState | null,
  next: Omit<FeedState, "unownedSince" | "waiting">,
  now: number,
): FeedState {
  const { chat } = next;
  // Whose owner was found dead waits for another until one has taken it.
  const orphaned =
    before !== null && before.unownedSince !== null && before.chat.worker_id === chat.worker_id;
  if (!isRunnable(chat) || (chat.worker_id !== null && !orphaned)) {
    return { ...next, unownedSince: null, waiting: null };
  }
  return { ...next, unownedSince: before?.unownedSince ?? now, waiting: before?.waiting ?? null };
}
