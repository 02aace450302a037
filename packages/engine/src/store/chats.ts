import type { ChatRow } from "../domain/rows.ts";
import type { ReadTx, Sql, WriteTx } from "../postgres/sql.ts";

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
  readonly status: ChatRow["status"];
}

/** The columns that transitions and metadata patches write. Versions are not among them: triggers keep those. */
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
    | "status"
    | "archived"
    | "generation_attempt"
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
  readonly requires_action_deadline_at?: Date | null;
  /** Work was asked for on unchanged history. */
  readonly touch_history?: true;
};

export async function insertChat(tx: WriteTx, chat: NewChat): Promise<ChatRow> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.insert",
    text: `insert into parley.chats (id, owner_id, parent_chat_id, root_chat_id, title, labels, model,
             reasoning_effort, system_prompt, client_tools, status)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning *`,
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
    ],
  });
  return row as ChatRow;
}

/** Lock, bump and read in one statement. Everything that classifies the state is on the row itself. */
export async function lockAndBump(tx: WriteTx, chatId: string): Promise<ChatRow | undefined> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.lock_and_bump",
    text: `update parley.chats set snapshot_version = snapshot_version + 1 where id = $1 returning *`,
    values: [chatId],
  });
  return row;
}

export async function lockChat(tx: WriteTx, chatId: string): Promise<ChatRow | undefined> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.lock",
    text: `select * from parley.chats where id = $1 for update`,
    values: [chatId],
  });
  return row;
}

export async function readChat(sql: Sql | ReadTx, chatId: string): Promise<ChatRow | undefined> {
  const [row] = await sql.query<ChatRow>({
    name: "chats.read",
    text: `select * from parley.chats where id = $1`,
    values: [chatId],
  });
  return row;
}

const jsonColumns = new Set(["labels", "client_tools", "last_error", "retry_state"]);

/** Writes the given columns and no others, and gives the row as the triggers left it. */
export async function updateChat(
  tx: WriteTx,
  chatId: string,
  changes: ChatChanges,
): Promise<ChatRow> {
  const values: unknown[] = [chatId];
  const sets: string[] = [];
  const columns = Object.keys(changes).sort() as (keyof ChatChanges)[];
  for (const column of columns) {
    const value = changes[column];
    if (column === "touch_history") {
      sets.push("history_version = snapshot_version");
    } else if (value === "now") {
      sets.push(`${column} = parley.now()`);
    } else {
      values.push(jsonColumns.has(column) && value !== null ? JSON.stringify(value) : value);
      sets.push(`${column} = $${values.length}`);
    }
  }
  const text = `update parley.chats set ${sets.join(", ")} where id = $1 returning *`;
  const name = `chats.update:${columns.map((c) => (changes[c] === "now" ? `${c}!` : c)).join(",")}`;
  const [row] = await tx.query<ChatRow>({ name: shortName(name), text, values });
  return row as ChatRow;
}

/** PostgreSQL cuts names of prepared statements at 63 bytes. */
function shortName(name: string): string {
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

/** Of a family: the root first, then by id, which is the order in which they must be locked. */
export async function familyIds(tx: ReadTx, rootChatId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>({
    name: "chats.family",
    text: `select id from parley.chats where root_chat_id = $1 order by (id <> $1), id`,
    values: [rootChatId],
  });
  return rows.map((row) => row.id);
}

export async function insertTombstone(tx: WriteTx, chat: ChatRow): Promise<void> {
  await tx.query({
    name: "chat_tombstones.insert",
    text: `insert into parley.chat_tombstones (chat_id, owner_id) values ($1, $2) on conflict do nothing`,
    values: [chat.id, chat.owner_id],
  });
}
