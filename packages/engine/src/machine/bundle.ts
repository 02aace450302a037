import type { PendingAction } from "@parley/protocol";
import type { Commit } from "../domain/commit.ts";
import { ChatNotFound } from "../domain/errors.ts";
import type { ChatRow, MessageRow, NewMessage, QueueRow } from "../domain/rows.ts";
import { stateOf, type State } from "../domain/state.ts";
import { assert, defined } from "../lib/assert.ts";
import type { WriteTx } from "../postgres/sql.ts";
import { readChat, updateChat, type ChatChanges } from "../store/chats.ts";
import { readPendingActions } from "../store/executions.ts";
import { insertMessage } from "../store/messages.ts";
import { readQueue } from "../store/queue.ts";
import type { Transaction } from "./transaction.ts";

/**
 * One chat inside one transaction, its row locked and its snapshot bumped: what transitions work on. It knows the row
 * as the database has it, and collects what is published after the commit. There is no other way to publish.
 */
export class Bundle {
  readonly tx: WriteTx;
  readonly chatId: string;
  /** The transaction that this bundle is part of: how a transition reaches other chats of the family. */
  readonly transaction: Transaction;
  readonly before: ChatRow | null;
  #chat: ChatRow | null;
  #stale = false;
  #historyCut = false;
  readonly #messages = new Map<number, MessageRow>();

  constructor(transaction: Transaction, chatId: string, before: ChatRow | null, chat: ChatRow) {
    this.transaction = transaction;
    this.tx = transaction.tx;
    this.chatId = chatId;
    this.before = before;
    this.#chat = chat;
  }

  /** The row, with everything that this bundle has written. */
  get chat(): ChatRow {
    assert(!this.#stale, "the row was changed by a trigger: refresh first");
    if (this.#chat === null) throw new ChatNotFound(this.chatId);
    return this.#chat;
  }

  get state(): State {
    assert(!this.#stale, "the row was changed by a trigger: refresh first");
    return stateOf(this.#chat);
  }

  /** Writes the given columns and no others. */
  async set(changes: ChatChanges): Promise<ChatRow> {
    this.#chat = await updateChat(this.tx, this.chatId, changes);
    this.#stale = false;
    return this.#chat;
  }

  async insert(message: NewMessage): Promise<MessageRow> {
    const row = await insertMessage(this.tx, this.chatId, message);
    this.#messages.set(row.id, row);
    this.#stale = true;
    return row;
  }

  /** Every live message that this bundle has inserted, in order. */
  get messages(): MessageRow[] {
    return [...this.#messages.values()].sort((a, b) => a.id - b.id);
  }

  /** To be called after any write that reaches the row through a trigger (the queue, messages). */
  touched(): void {
    this.#stale = true;
  }

  /** Messages were soft-deleted, from this id on. */
  cut(from: number): void {
    this.#historyCut = true;
    this.#stale = true;
    for (const id of this.#messages.keys()) if (id >= from) this.#messages.delete(id);
  }

  /** The chat's row is gone. */
  gone(): void {
    this.#chat = null;
    this.#stale = false;
  }

  /** Reads the row again where something else than `set` has changed it. */
  async refresh(): Promise<void> {
    if (!this.#stale) return;
    this.#chat = (await readChat(this.tx, this.chatId)) ?? null;
    this.#stale = false;
  }

  /** What is published when the transaction has committed. */
  async commit(): Promise<Commit> {
    await this.refresh();
    if (this.#chat === null) {
      const before = defined(this.before, "the row before its deletion");
      return {
        chat: before,
        before,
        deleted: true,
        messages: [],
        historyCut: false,
        queue: null,
        actions: null,
      };
    }
    const chat = this.#chat;
    const queueChanged = chat.queue_version === chat.snapshot_version;
    const [queue, actions] = await Promise.all([
      queueChanged ? this.#queue(chat) : null,
      chat.status === "requires_action" ? this.#actions() : null,
    ]);
    return {
      chat,
      before: this.before,
      deleted: false,
      messages: this.messages,
      historyCut: this.#historyCut,
      queue,
      actions,
    };
  }

  async #queue(chat: ChatRow): Promise<QueueRow[]> {
    return chat.queue_length === 0 ? [] : await readQueue(this.tx, this.chatId);
  }

  async #actions(): Promise<PendingAction[]> {
    return await readPendingActions(this.tx, this.chatId);
  }
}
