import type { StructuredOutputPart } from "@parley/protocol";
import { Belongings } from "./belongings.ts";
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
  | "labels"
  | "pinned"
  | "root_chat_id"
  | "budget"
  | "family_budget"
  | "usage_total_tokens"
  | "usage_cost_usd_micros"
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
  | "model"
  | "usage"
> & {
  readonly tool_call_ids: readonly string[] | null;
  readonly tool_result_ids: readonly string[] | null;
  /** Its parts in short: see said.ts. */
  readonly said: string | null;
  readonly file_ids: readonly string[];
  /** It asks for a reply of a form. */
  readonly asks: boolean;
  /** What it says of itself, where a form was asked for. */
  readonly form: StructuredOutputPart | null;
};

export interface QueueImage {
  readonly id: number;
  readonly chat_id: string;
  readonly client_id: string | null;
  readonly manner: string;
  readonly file_ids: readonly string[];
}

export type ExecutionImage = Pick<
  ExecutionRow,
  "id" | "chat_id" | "state" | "needs_approval" | "decided_by" | "tool_name" | "tool_call_id"
> & { readonly result: string | null };

export interface FileImage {
  readonly id: string;
  readonly owner_id: string;
  readonly state: "uploading" | "ready" | "expired";
  readonly expires_at: string | null;
  readonly dies_at: string | null;
  readonly size_bytes: number;
}

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
  readonly executions: ReadonlyMap<string, Net<ExecutionImage>>;
  readonly files: ReadonlyMap<string, Net<FileImage>>;
}

/** What is committed, followed in memory: checkers look here, and the database is asked nothing. */
export class Mirror {
  readonly chats = new Map<string, ChatImage>();
  readonly messages = new Map<string, Map<number, MessageImage>>();
  readonly queue = new Map<string, Map<number, QueueImage>>();
  /** Every message that ever was committed, as it was last: also of chats that are deleted. */
  readonly everCommitted = new Map<number, MessageImage>();
  readonly executions = new Map<string, ExecutionImage>();
  readonly files = new Map<string, FileImage>();
  /** What is told of chats besides what is in them. */
  readonly belongings = new Belongings();
  /** Client ids that were ever committed, as a message or as a queued one. */
  readonly clientIds = new Map<string, string>();

  /** Takes the transaction in, and gives what it did. */
  apply(committed: Committed): CommitImage {
    const image = {
      committed,
      chats: new Map<string, Net<ChatImage>>(),
      messages: new Map<string, Net<MessageImage>>(),
      queue: new Map<string, Net<QueueImage>>(),
      executions: new Map<string, Net<ExecutionImage>>(),
      files: new Map<string, Net<FileImage>>(),
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
        follow(this.executions, image.executions, row as unknown as ExecutionImage, gone);
      }
      if (table === "files") follow(this.files, image.files, row as unknown as FileImage, gone);
      this.belongings.take(table, row, gone);
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
