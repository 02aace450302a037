import type { ChatRow } from "../domain/rows.ts";
import type { Database } from "../postgres/database.ts";
import type { ReadTx } from "../postgres/sql.ts";

/**
 * The list of a principal's chats, as a stream reads it, without those that work for others. Its position is a transaction id: rows carry the id of the
 * transaction that changed them last, and what a snapshot could not see was written by transactions at or after its
 * oldest open one (`xmin`). Reading from there again misses no late commit.
 */
export interface WatchRequest {
  readonly ownerId: string;
  /** What changed at or after this transaction is wanted; null: nothing. */
  readonly since: bigint | null;
  /** More changes than this are not read: the newest chats are what the caller falls back to. */
  readonly changedMax: number;
  /** The newest so many chats are wanted; 0: not. */
  readonly newest: number;
}

export type WatchedChat = ChatRow & { readonly changed_xid: bigint };

export interface WatchResult {
  /** Where the next read begins. */
  readonly xmin: bigint;
  /** No transaction that this snapshot knows has an id as high as this. */
  readonly xmax: bigint;
  /** Database time, milliseconds since 1970. */
  readonly now: number;
  /** In the order of their last change; null: more than `changedMax`, or not asked for. */
  readonly changed: readonly WatchedChat[] | null;
  readonly deleted: readonly { readonly chat_id: string; readonly changed_xid: bigint }[];
  /** By last message, newest first; null where not asked for. */
  readonly newest: readonly WatchedChat[] | null;
}

/** Deleted chats are remembered this long. */
export const tombstoneKeptMs = 7 * 24 * 3_600_000;

type Raw<T> = Omit<T, "changed_xid"> & { changed_xid: string };

/** All in one read-only snapshot; the statements share one round trip. */
export async function readWatch(
  database: Database,
  request: WatchRequest,
  options: { readonly statementTimeoutMs: number },
): Promise<WatchResult> {
  const { ownerId, since, changedMax, newest } = request;
  return await database.read(
    async (tx) => {
      const [position, changed, deleted, top] = await Promise.all([
        readPosition(tx),
        since === null ? null : readChanged(tx, ownerId, since, changedMax + 1),
        since === null ? [] : readDeleted(tx, ownerId, since, changedMax + 1),
        newest === 0 ? null : readNewestChats(tx, ownerId, newest),
      ]);
      const overflow = (changed?.length ?? 0) > changedMax || deleted.length > changedMax;
      return {
        ...position,
        changed: overflow || changed === null ? null : changed.map(watchedOf),
        deleted: overflow
          ? []
          : deleted.map((row) => ({ ...row, changed_xid: BigInt(row.changed_xid) })),
        newest: top && top.map(watchedOf),
      };
    },
    { operation: "watch.read", ...options },
  );
}

async function readPosition(tx: ReadTx): Promise<{ xmin: bigint; xmax: bigint; now: number }> {
  const [row] = await tx.query<{ xmin: string; xmax: string; now: Date }>({
    name: "watch.position",
    text: `select pg_snapshot_xmin(s)::text as xmin, pg_snapshot_xmax(s)::text as xmax, parley.now() as now
           from pg_current_snapshot() s`,
  });
  if (!row) throw new Error("the database did not say where it is");
  return { xmin: BigInt(row.xmin), xmax: BigInt(row.xmax), now: row.now.getTime() };
}

async function readChanged(
  tx: ReadTx,
  ownerId: string,
  since: bigint,
  limit: number,
): Promise<Raw<WatchedChat>[]> {
  return await tx.query<Raw<WatchedChat>>({
    name: "watch.changed",
    text: `select * from parley.chats
           where owner_id = $1 and parent_chat_id is null and changed_xid >= $2::xid8
           order by changed_xid, id limit $3`,
    values: [ownerId, String(since), limit],
  });
}

async function readDeleted(
  tx: ReadTx,
  ownerId: string,
  since: bigint,
  limit: number,
): Promise<{ chat_id: string; changed_xid: string }[]> {
  return await tx.query<{ chat_id: string; changed_xid: string }>({
    name: "watch.deleted",
    text: `select chat_id, changed_xid from parley.chat_tombstones
           where owner_id = $1 and changed_xid >= $2::xid8 order by changed_xid, chat_id limit $3`,
    values: [ownerId, String(since), limit],
  });
}

async function readNewestChats(
  tx: ReadTx,
  ownerId: string,
  limit: number,
): Promise<Raw<WatchedChat>[]> {
  return await tx.query<Raw<WatchedChat>>({
    name: "watch.newest",
    text: `select * from parley.chats where owner_id = $1 and parent_chat_id is null
           order by last_message_at desc, id desc limit $2`,
    values: [ownerId, limit],
  });
}

function watchedOf(row: Raw<WatchedChat>): WatchedChat {
  return { ...row, changed_xid: BigInt(row.changed_xid) };
}

/** Of these owners, those whose list has changed at or after the transaction given with each. One statement for all. */
export async function findChangedLists(
  database: Database,
  lists: readonly { readonly ownerId: string; readonly since: bigint }[],
  options: { readonly statementTimeoutMs: number },
): Promise<string[]> {
  const rows = await database.one<{ owner_id: string }>(
    {
      name: "watch.changed_lists",
      text: `select l.owner_id from unnest($1::uuid[], $2::text[]) as l (owner_id, since)
             where exists (select from parley.chats c where c.owner_id = l.owner_id
                           and c.parent_chat_id is null and c.changed_xid >= l.since::xid8)
               or exists (select from parley.chat_tombstones t
                          where t.owner_id = l.owner_id and t.changed_xid >= l.since::xid8)`,
      values: [lists.map((l) => l.ownerId), lists.map((l) => String(l.since))],
    },
    { operation: "watch.poll", lane: "upkeep", ...options },
  );
  return rows.map((row) => row.owner_id);
}
