import type { Change, Committed } from "../database/server.ts";
import type { ChatRow, ExecutionRow, MessageRow } from "../../src/domain/rows.ts";

export type ChatImage = Pick<
  ChatRow,
  | "id"
  | "owner_id"
  | "parent_chat_id"
  | "status"
  | "archived"
  | "queue_length"
  | "snapshot_version"
  | "history_version"
  | "queue_version"
  | "retry_state_version"
  | "metadata_version"
  | "generation_attempt"
  | "worker_id"
  | "runner_id"
  | "turn_message_id"
  | "takeovers"
  | "title"
  | "hold"
> & { readonly retry_state: unknown; readonly last_error: { readonly kind: string } | null };

export type MessageImage = Pick<
  MessageRow,
  | "id"
  | "chat_id"
  | "revision"
  | "role"
  | "visibility"
  | "finish_reason"
  | "episode"
  | "client_id"
  | "is_boundary"
  | "deleted"
> & {
  readonly tool_call_ids: readonly string[] | null;
  readonly tool_result_ids: readonly string[] | null;
};

export interface QueueImage {
  readonly id: number;
  readonly chat_id: string;
  readonly client_id: string | null;
  readonly manner: string;
}

export type ExecutionImage = Pick<
  ExecutionRow,
  "id" | "chat_id" | "state" | "needs_approval" | "decided_by" | "runner_id" | "tool_name"
>;

/** A row of one table as a transaction found and left it, however often it was written in between. */
export interface Net<Row> {
  readonly was: Row | null;
  readonly now: Row | null;
}

/** A transaction in force, as the checkers look at it. */
export interface CommitImage {
  readonly committed: Committed;
  readonly chats: ReadonlyMap<string, Net<ChatImage>>;
  readonly messages: ReadonlyMap<string, Net<MessageImage>>;
  readonly queue: ReadonlyMap<string, Net<QueueImage>>;
}

/** What is committed, followed in memory: checkers look here, and the database is asked nothing. */
export class Mirror {
  readonly chats = new Map<string, ChatImage>();
  readonly messages = new Map<string, Map<number, MessageImage>>();
  readonly queue = new Map<string, Map<number, QueueImage>>();
  /** Every message that ever was committed, as it was last: also of chats that are deleted. */
  readonly everCommitted = new Map<number, MessageImage>();
  readonly executions = new Map<string, ExecutionImage>();
  /** Client ids that were ever committed, as a message or as a queued one. */
  readonly clientIds = new Map<string, string>();

  /** Takes the transaction in, and gives what it did. */
  apply(committed: Committed): CommitImage {
    for (const change of committed.changes) this.#follow(change);
    return {
      committed,
      chats: netOf<ChatImage>(committed.changes, "chats"),
      messages: netOf<MessageImage>(committed.changes, "chat_messages"),
      queue: netOf<QueueImage>(committed.changes, "chat_queue"),
    };
  }

  /** The live history of a chat, in order. */
  history(chatId: string): MessageImage[] {
    return [...(this.messages.get(chatId)?.values() ?? [])]
      .filter(({ deleted }) => !deleted)
      .sort((a, b) => a.id - b.id);
  }

  #follow({ table, was, now }: Change): void {
    const row = (now ?? was) as {
      id: string | number;
      chat_id?: string;
      client_id?: string | null;
    };
    if (table === "chats") keep(this.chats, String(row.id), now as ChatImage | null);
    if (table === "tool_executions") {
      keep(this.executions, String(row.id), now as ExecutionImage | null);
    }
    if (table !== "chat_messages" && table !== "chat_queue") return;
    const tables: Map<string, Map<number, unknown>> = table === "chat_queue"
      ? this.queue
      : this.messages;
    const chatId = String(row.chat_id);
    const rows = tables.get(chatId) ?? new Map<number, unknown>();
    tables.set(chatId, rows);
    keep(rows, Number(row.id), now);
    if (table === "chat_messages" && now !== null) {
      this.everCommitted.set(Number(row.id), now as unknown as MessageImage);
    }
    if (typeof row.client_id === "string" && now !== null) {
      this.clientIds.set(row.client_id, chatId);
    }
  }
}

function keep<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}

function netOf<Row>(changes: readonly Change[], table: string): Map<string, Net<Row>> {
  const nets = new Map<string, Net<Row>>();
  for (const change of changes) {
    if (change.table !== table) continue;
    const id = String((change.now ?? change.was)?.["id"]);
    const before = nets.get(id);
    const was = before === undefined ? (change.was as Row | null) : before.was;
    nets.set(id, { was, now: change.now as Row | null });
  }
  return nets;
}
