import type { Committed } from "../database/ports.ts";
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
  | "title"
> & { readonly retry_state: unknown };

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
  "id" | "chat_id" | "state" | "needs_approval" | "decided_by" | "tool_name"
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
    const image = {
      committed,
      chats: new Map<string, Net<ChatImage>>(),
      messages: new Map<string, Net<MessageImage>>(),
      queue: new Map<string, Net<QueueImage>>(),
    };
    for (const { table, op, row } of committed.changes) {
      const gone = op === "DELETE";
      if (table === "chats") follow(this.chats, image.chats, row as unknown as ChatImage, gone);
      if (table === "chat_messages") {
        const message = row as unknown as MessageImage;
        follow(rowsOf(this.messages, message.chat_id), image.messages, message, gone);
        this.#noteClientId(message);
        if (!gone) this.everCommitted.set(message.id, message);
      }
      if (table === "chat_queue") {
        const queued = row as unknown as QueueImage;
        follow(rowsOf(this.queue, queued.chat_id), image.queue, queued, gone);
        this.#noteClientId(queued);
      }
      if (table === "tool_executions") {
        const execution = row as unknown as ExecutionImage;
        keep(this.executions, execution.id, gone ? null : execution);
      }
    }
    return image;
  }

  /** The live history of a chat, in order. */
  history(chatId: string): MessageImage[] {
    return [...(this.messages.get(chatId)?.values() ?? [])]
      .filter(({ deleted }) => !deleted)
      .sort((a, b) => a.id - b.id);
  }

  #noteClientId({ client_id, chat_id }: MessageImage | QueueImage): void {
    if (client_id !== null) this.clientIds.set(client_id, chat_id);
  }
}

function rowsOf<Row>(map: Map<string, Map<number, Row>>, chatId: string): Map<number, Row> {
  const rows = map.get(chatId) ?? new Map<number, Row>();
  map.set(chatId, rows);
  return rows;
}

function keep<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}

/** Takes a row in; how it was is what the mirror has of it, before the transaction's first change. */
function follow<Id extends string | number, Row extends { readonly id: Id }>(
  rows: Map<Id, Row>,
  nets: Map<string, Net<Row>>,
  row: Row,
  gone: boolean,
): void {
  const id = String(row.id);
  const before = nets.get(id);
  const was = before === undefined ? (rows.get(row.id) ?? null) : before.was;
  nets.set(id, { was, now: gone ? null : row });
  keep(rows, row.id, gone ? null : row);
}
