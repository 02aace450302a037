import type { RetryState } from "@parley/protocol";
import type { ChatRow } from "../domain/rows.ts";
import type { SpendAnswer, SpendLimit } from "../domain/spending.ts";
import { defined } from "../lib/assert.ts";
import type { Sql, Statement, WriteTx } from "../postgres/sql.ts";
import { reservingColumn, type Wish } from "./spending.ts";

/** What a new chat is made of; the rest has defaults. */
export interface NewChat {
  readonly id: string;
  readonly owner_id: string;
  readonly parent_chat_id: string | null;
  readonly root_chat_id: string;
  readonly title: string | null;
  readonly labels: ChatRow["labels"];
  readonly model: string;
  readonly reasoning_effort: string | null;
  readonly system_prompt: string | null;
  readonly client_tools: ChatRow["client_tools"];
  readonly model_settings?: ChatRow["model_settings"];
  /** Default: the deployment's. */
  readonly fallback_models?: ChatRow["fallback_models"];
  readonly status: ChatRow["status"];
  /** Default true. */
  readonly sub_agents?: boolean;
  readonly budget?: SpendLimit | null;
  readonly family_budget?: SpendLimit | null;
}

/** The columns that transitions and metadata patches write. Other versions are not among them: triggers keep those. */
export type ChatChanges = Partial<
  Pick<
    ChatRow,
    | "title"
    | "labels"
    | "pinned"
    | "model"
    | "reasoning_effort"
    | "system_prompt"
    | "client_tools"
    | "model_settings"
    | "fallback_models"
    | "attempt_models"
    | "sub_agents"
    | "budget"
    | "family_budget"
    | "mcp_servers"
    | "mcp_revision"
    | "notices"
    | "status"
    | "archived"
    | "worker_id"
    | "runner_id"
    | "last_error"
    | "retry_state"
    | "compact_only"
    | "hold"
    | "takeovers"
    | "turn_message_id"
  >
> & {
  /** Times are the database's: set to now, or cleared, or to a given time of the database's own clock. */
  readonly compaction_requested_at?: "now" | null;
  /** `earliest`: of the calls that wait, computed by the database, to the microsecond. */
  readonly requires_action_deadline_at?: "earliest" | null;
  readonly generation_attempt?: "next";
  /** What the bundle moves the chat to. */
  readonly snapshot_version?: number;
  /** Work was asked for on unchanged history, which moves to the bundle's snapshot. */
  readonly history_version?: number;
};

/** Of these columns nothing but `metadata_version` depends. */
export type MetadataChanges = Pick<
  ChatChanges,
  | "title"
  | "labels"
  | "pinned"
  | "model"
  | "reasoning_effort"
  | "system_prompt"
  | "client_tools"
  | "model_settings"
  | "fallback_models"
  | "mcp_servers"
  | "mcp_revision"
  | "notices"
>;

/** Likewise: what bounds what a chat may do and spend. */
export type BoundChanges = Pick<ChatChanges, "sub_agents" | "budget" | "family_budget">;

/** Columns and values whose SQL is not a parameter. */
const spelled: Record<string, string> = {
  "generation_attempt=next": "generation_attempt = generation_attempt + 1",
  "compaction_requested_at=now": "compaction_requested_at = parley.now()",
  "requires_action_deadline_at=earliest":
    "requires_action_deadline_at = (select min(deadline_at) from parley.pending_calls(chats.id))",
};

/** A row as it is, the id for the first message that its transaction inserts, if one was taken, and the database's time. */
export interface ChatForWriting {
  readonly chat: ChatRow;
  readonly messageId: number | null;
  readonly at: Date;
}

/**
 * The id of a message is taken with the lock on its chat: so ids grow in the order of commits, and what is inserted is
 * known whole before the database has answered.
 */
const nextMessageId = `nextval('parley.chat_messages_id_seq') as next_message_id`;

type LockedRow = ChatRow & { readonly next_message_id: number; readonly locked_at: Date };

function forWriting({ next_message_id, locked_at, ...chat }: LockedRow): ChatForWriting {
  return { chat, messageId: next_message_id, at: locked_at };
}

export async function insertChat(tx: WriteTx, chat: NewChat): Promise<ChatForWriting> {
  const [row] = await tx.query<LockedRow>({
    name: "chats.insert",
    text: `insert into parley.chats (id, owner_id, parent_chat_id, root_chat_id, title, labels, model,
             reasoning_effort, system_prompt, client_tools, status, sub_agents, budget, family_budget,
             model_settings, fallback_models)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
           returning *, ${nextMessageId}, created_at as locked_at`,
    values: [
      chat.id,
      chat.owner_id,
      chat.parent_chat_id,
      chat.root_chat_id,
      chat.title,
      JSON.stringify(chat.labels),
      chat.model,
      chat.reasoning_effort,
      chat.system_prompt,
      JSON.stringify(chat.client_tools),
      chat.status,
      chat.sub_agents ?? true,
      chat.budget ? JSON.stringify(chat.budget) : null,
      chat.family_budget ? JSON.stringify(chat.family_budget) : null,
      chat.model_settings ? JSON.stringify(chat.model_settings) : null,
      chat.fallback_models ? JSON.stringify(chat.fallback_models) : null,
    ],
  });
  return forWriting(defined(row, "the row that was inserted"));
}

/**
 * Locks and reads, in one statement: everything that classifies the state is on the row itself. The id and the time are
 * taken when the lock is there, not while it is waited for: that is what the inner query is for.
 */
export async function lockForWriting(
  tx: WriteTx,
  chatId: string,
): Promise<ChatForWriting | undefined> {
  const [row] = await tx.query<LockedRow>({
    name: "chats.lock_for_writing",
    text: `select c.*, ${nextMessageId}, parley.now() as locked_at
           from (select * from parley.chats where id = $1 for no key update) c`,
    values: [chatId],
  });
  return row && forWriting(row);
}

export async function lockChat(tx: WriteTx, chatId: string): Promise<ChatRow | undefined> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.lock",
    text: `select * from parley.chats where id = $1 for update`,
    values: [chatId],
  });
  return row;
}

export async function readChat(
  sql: Pick<Sql, "query">,
  chatId: string,
): Promise<ChatRow | undefined> {
  const [row] = await sql.query<ChatRow>({
    name: "chats.read",
    text: `select * from parley.chats where id = $1`,
    values: [chatId],
  });
  return row;
}

/** Those of them that there are, in any order. */
export async function readChats(
  sql: Pick<Sql, "query">,
  chatIds: readonly string[],
): Promise<ChatRow[]> {
  return await sql.query<ChatRow>({
    name: "chats.read_many",
    text: `select * from parley.chats where id = any ($1::uuid[])`,
    values: [chatIds],
  });
}

const jsonColumns = new Set([
  "labels",
  "client_tools",
  "model_settings",
  "fallback_models",
  "attempt_models",
  "mcp_servers",
  "notices",
  "last_error",
  "retry_state",
]);

const limitColumns: ReadonlySet<string> = new Set(["budget", "family_budget"]);

/** Writes the given columns and no others, and gives the row as the triggers left it. */
export async function updateChat(
  tx: WriteTx,
  chatId: string,
  changes: ChatChanges,
): Promise<ChatRow> {
  const [row] = await tx.query<ChatRow>(updateOf(chatId, changes));
  return row as ChatRow;
}

/** As `updateChat`, as the last statement of the transaction: see `WriteTx.queryLast`. */
export async function updateChatLast(
  tx: WriteTx,
  chatId: string,
  changes: ChatChanges,
): Promise<ChatRow> {
  const [row] = await tx.queryLast<ChatRow>(updateOf(chatId, changes));
  return row as ChatRow;
}

function updateOf(chatId: string, changes: ChatChanges): Statement {
  const { sets, shape, values } = assignments(chatId, changes);
  const text = `update parley.chats set ${sets} where id = $1 returning *`;
  return { name: shortName(`chats.update:${shape}`), text, values };
}

/** As `updateChat`; in the same statement the worst case of the call of the new attempt is reserved, or refused. */
export async function updateChatReserving(
  tx: WriteTx,
  chatId: string,
  changes: ChatChanges & { readonly generation_attempt: "next" },
  wish: Wish,
): Promise<{ readonly chat: ChatRow; readonly spend: SpendAnswer }> {
  const { sets, shape, values } = assignments(chatId, changes);
  const reserving = reservingColumn(wish, values.length + 1);
  const text = `update parley.chats set ${sets} where id = $1 returning *, ${reserving.sql}`;
  const name = shortName(`chats.reserve:${shape}`);
  const [row] = await tx.query<ChatRow & { spend: SpendAnswer }>({
    name,
    text,
    values: [...values, ...reserving.values],
  });
  const { spend, ...chat } = row as ChatRow & { spend: SpendAnswer };
  return { chat, spend };
}

/** What an `update` of these columns says: `$1` is the chat; `shape` names the statement. */
export function assignments(
  chatId: string,
  changes: ChatChanges,
): { readonly sets: string; readonly shape: string; readonly values: unknown[] } {
  const values: unknown[] = [chatId];
  const sets: string[] = [];
  const columns = Object.keys(changes).sort() as (keyof ChatChanges)[];
  const shape: string[] = [];
  for (const column of columns) {
    const value = changes[column];
    const plain = typeof value === "string" || typeof value === "boolean";
    const sql = plain ? spelled[`${column}=${value}`] : undefined;
    shape.push(sql === undefined ? column : `${column}!`);
    if (sql !== undefined) {
      sets.push(sql);
      continue;
    }
    const isJson = jsonColumns.has(column) || limitColumns.has(column);
    values.push(isJson && value !== null ? JSON.stringify(value) : value);
    sets.push(`${column} = $${values.length}`);
  }
  return { sets: sets.join(", "), shape: shape.join(","), values };
}

/** PostgreSQL cuts names of prepared statements at 63 bytes. */
export function shortName(name: string): string {
  if (name.length <= 63) return name;
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return `${name.slice(0, 54)}${(hash >>> 0).toString(16).padStart(8, "0")}`;
}

export async function deleteChatRow(tx: WriteTx, chatId: string): Promise<void> {
  await tx.query({
    name: "chats.delete",
    text: `delete from parley.chats where id = $1`,
    values: [chatId],
  });
}

/** Locks the rest of a family, by id, which is the order after the root. */
export async function lockFamily(tx: WriteTx, rootChatId: string): Promise<ChatRow[]> {
  return await tx.query<ChatRow>({
    name: "chats.lock_family",
    text: `select * from parley.chats where root_chat_id = $1 and id <> $1 order by id for update`,
    values: [rootChatId],
  });
}

/** Locks everything below a chat, by id. */
export async function lockDescendants(tx: WriteTx, chat: ChatRow): Promise<ChatRow[]> {
  return await tx.query<ChatRow>({
    name: "chats.lock_descendants",
    text: `with recursive below (id) as (
             select id from parley.chats where root_chat_id = $2 and parent_chat_id = $1
             union
             select c.id from parley.chats c join below b on c.parent_chat_id = b.id where c.root_chat_id = $2
           )
           select c.* from parley.chats c where c.id in (select id from below) order by c.id for update`,
    values: [chat.id, chat.root_chat_id],
  });
}

/**
 * A chat in `A*` goes on when nothing is pending any more; else it waits for the earliest deadline. `asked`: there is
 * something to do on unchanged history.
 */
export async function settlePending(tx: WriteTx, chatId: string, asked = false): Promise<ChatRow> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.settle_pending",
    text: `with pending as (
             select count(*) as calls, min(deadline_at) as deadline from parley.pending_calls($1))
           update parley.chats
           set status = case when pending.calls = 0 then 'running' else status end,
             requires_action_deadline_at = case when pending.calls = 0 then null else pending.deadline end,
             history_version = case when $2 then snapshot_version else history_version end,
             generation_attempt = case when $2 then 0 else generation_attempt end
           from pending where id = $1 returning chats.*`,
    values: [chatId, asked],
  });
  return row as ChatRow;
}

/** Stores what clients are shown of a failed attempt; when the next one comes is the database's to say. */
export async function storeRetryState(
  tx: WriteTx,
  chatId: string,
  state: Omit<RetryState, "retrying_at">,
): Promise<ChatRow> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.store_retry_state",
    text: `update parley.chats
           set retry_state = $2::jsonb || jsonb_build_object('retrying_at', to_char(
             (parley.now() + make_interval(secs => $3::double precision / 1000)) at time zone 'UTC',
             'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
           where id = $1 returning *`,
    values: [chatId, JSON.stringify(state), state.delay_ms],
  });
  return row as ChatRow;
}

export async function insertTombstone(tx: WriteTx, chat: ChatRow): Promise<void> {
  await tx.query({
    name: "chat_tombstones.insert",
    text: `insert into parley.chat_tombstones (chat_id, owner_id) values ($1, $2) on conflict do nothing`,
    values: [chat.id, chat.owner_id],
  });
}
