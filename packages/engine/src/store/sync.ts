import type { PendingAction } from "@parley/protocol";
import type { ChatRow, MessageRow, QueueRow } from "../domain/rows.ts";
import type { Database } from "../postgres/database.ts";
import type { ReadTx } from "../postgres/sql.ts";
import { readChat } from "./chats.ts";
import { readPendingActions } from "./executions.ts";
import { readNewest } from "./messages.ts";
import { readQueue } from "./queue.ts";

/** A place in the order in which changes of messages are sent. */
export interface ChangePoint {
  readonly revision: number;
  readonly message_id: number;
}

export interface SyncRequest {
  readonly chatId: string;
  /** Messages changed after this point are wanted; null: none. */
  readonly since: ChangePoint | null;
  /** Deletions of later snapshots than this are wanted. */
  readonly cutsAfter: number | null;
  /** The newest so many messages are wanted; 0: not. */
  readonly window: number;
  /** More changed messages than this are not read: the window is what the caller falls back to. */
  readonly changedMax: number;
}

/** A deletion: everything from `first_id` on was deleted by the bundle of this revision. */
export interface Cut {
  readonly revision: number;
  readonly first_id: number;
}

/** One consistent picture of a chat. Messages that only the model sees are not in it. */
export interface SyncResult {
  readonly chat: ChatRow;
  /** Live messages in (revision, id) order; null: more than `changedMax`, or not asked for. */
  readonly changed: readonly MessageRow[] | null;
  readonly cuts: readonly Cut[];
  /** In id order; null where not asked for. */
  readonly window: { readonly messages: readonly MessageRow[]; readonly hasMore: boolean } | null;
  readonly queue: readonly QueueRow[];
  /** Null unless the chat waits for a client or a decision. */
  readonly actions: readonly PendingAction[] | null;
}

const messageColumns = `id, chat_id, revision, role, visibility, parts, model, reasoning_effort, usage, finish_reason,
  episode, created_by, client_id, is_boundary, replaces, response_format, model_settings, deleted, created_at`;

/**
 * Everything that feeds need, each of its chat, in one read-only snapshot; all statements share one round trip. Null: there
 * is no such chat (any more). In the order of the requests.
 */
export async function readSyncs(
  database: Database,
  requests: readonly SyncRequest[],
  options: { readonly statementTimeoutMs: number },
): Promise<(SyncResult | null)[]> {
  return await database.read(
    async (tx) => await Promise.all(requests.map(async (request) => await readSync(tx, request))),
    { operation: "stream.sync", ...options },
  );
}

async function readSync(tx: ReadTx, request: SyncRequest): Promise<SyncResult | null> {
  const { chatId, since, cutsAfter, window } = request;
  const [chat, changed, cuts, newest, queue, actions] = await Promise.all([
    readChat(tx, chatId),
    since === null ? null : readChanged(tx, chatId, since, request.changedMax + 1),
    cutsAfter === null ? [] : readCuts(tx, chatId, cutsAfter),
    window === 0 ? null : readNewest(tx, chatId, window + 1, null),
    readQueue(tx, chatId),
    readPendingActions(tx, chatId),
  ]);
  if (chat === undefined) return null;
  const hasMore = newest !== null && newest.length > window;
  return {
    chat,
    changed: changed !== null && changed.length > request.changedMax ? null : changed,
    cuts,
    window: newest && { messages: newest.slice(0, window).reverse(), hasMore },
    queue,
    actions: chat.status === "requires_action" ? actions : null,
  };
}

async function readChanged(
  tx: ReadTx,
  chatId: string,
  since: ChangePoint,
  limit: number,
): Promise<MessageRow[]> {
  return await tx.query<MessageRow>({
    name: "sync.changed",
    text: `select ${messageColumns} from parley.chat_messages
           where chat_id = $1 and (revision, id) > ($2::bigint, $3::bigint) and not deleted and visibility <> 'model'
           order by revision, id limit $4`,
    values: [chatId, since.revision, since.message_id, limit],
  });
}

async function readCuts(tx: ReadTx, chatId: string, after: number): Promise<Cut[]> {
  return await tx.query<Cut>({
    name: "sync.cuts",
    text: `select revision, min(id) as first_id from parley.chat_messages
           where chat_id = $1 and revision > $2 and deleted group by revision order by revision`,
    values: [chatId, after],
  });
}

/** What the poll compares: the versions of a chat, and who owns it. */
export type ChatVersions = Pick<
  ChatRow,
  | "id"
  | "owner_id"
  | "status"
  | "archived"
  | "snapshot_version"
  | "history_version"
  | "queue_version"
  | "retry_state_version"
  | "metadata_version"
  | "generation_attempt"
  | "worker_id"
> & {
  /** It names a worker that is dead. */
  readonly orphaned: boolean;
};

/** One statement for all feeds of the replica; a chat that is missing in the answer is gone. */
export async function readVersions(
  database: Database,
  chatIds: readonly string[],
  { lease_ms, silence_ms }: { readonly lease_ms: number; readonly silence_ms: number },
  options: { readonly statementTimeoutMs: number },
): Promise<ChatVersions[]> {
  return await database.one<ChatVersions>(
    {
      name: "sync.versions",
      text: `with dead as materialized (select d.id from parley.dead_workers($2, $3) as d (id))
             select id, owner_id, status, archived, snapshot_version, history_version, queue_version,
               retry_state_version, metadata_version, generation_attempt, worker_id,
               worker_id is not null and (worker_id in (select id from dead)
                 or worker_id not in (select id from parley.workers)) as orphaned
             from parley.chats where id = any ($1::uuid[])`,
      values: [chatIds, lease_ms, silence_ms],
    },
    { operation: "stream.poll", lane: "upkeep", ...options },
  );
}
