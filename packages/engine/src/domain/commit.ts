import type { PendingAction } from "@parley/protocol";
import type { ChatRow, MessageRow, QueueRow } from "./rows.ts";

/**
 * What one bundle committed, as the replica that made it hands it over in memory: to feeds, to runners, and, cut down to
 * a hint, to the bus. Snapshot `chat.snapshot_version` follows directly on the one before.
 */
export interface Commit {
  readonly chat: ChatRow;
  /** The row before the bundle; null where the bundle made it. */
  readonly before: ChatRow | null;
  readonly deleted: boolean;
  /** Live messages inserted or changed, in (revision, id) order. */
  readonly messages: readonly MessageRow[];
  /** Messages were soft-deleted: a feed reads the database. */
  readonly historyCut: boolean;
  /** The whole queue, where it changed. */
  readonly queue: readonly QueueRow[] | null;
  /** What a client or a person has to do, where the chat waits for it. */
  readonly actions: readonly PendingAction[] | null;
}

/** The versions of a chat as they travel between replicas: enough to know whether a read is worth it. */
export interface ChatHint {
  readonly chat_id: string;
  readonly snapshot_version: number;
  readonly metadata_version: number;
  /** Runnable, and no live owner is known. */
  readonly unowned: boolean;
}
