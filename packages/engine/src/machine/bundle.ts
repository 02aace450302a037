import type { Commit } from "../domain/commit.ts";
import { ChatNotFound } from "../domain/errors.ts";
import type { ChatRow, MessageRow, NewMessage, QueueRow, TrackedCall } from "../domain/rows.ts";
import type { SpendAnswer } from "../domain/spending.ts";
import { stateOf, type State } from "../domain/state.ts";
import { assert, defined } from "../lib/assert.ts";
import type { WriteTx } from "../postgres/sql.ts";
import {
  readChat,
  updateChat,
  updateChatLast,
  updateChatReserving,
  type ChatChanges,
  type ChatForWriting,
} from "../store/chats.ts";
import { readPendingActions } from "../store/executions.ts";
import { insertMessage, insertMessageAs } from "../store/messages.ts";
import { updateAndOffer, type Offer } from "../store/ownership.ts";
import { readQueue } from "../store/queue.ts";
import type { Wish } from "../store/spending.ts";
import type { Transaction } from "./transaction.ts";

/** Columns that take exactly what is written to them. */
export type PlannedChanges = Pick<
  ChatChanges,
  | "status"
  | "worker_id"
  | "runner_id"
  | "last_error"
  | "turn_message_id"
  | "compact_only"
  | "snapshot_version"
> & { readonly compaction_requested_at?: null };

/** What was read in the round trip that locked the row: sound for the first transition of its bundle. */
export interface ReadAlong {
  readonly calls?: Promise<TrackedCall[]>;
  readonly isClientIdTaken?: Promise<boolean>;
}

/**
 * One chat inside one transaction, its row locked: what transitions work on. It knows the row as the database has it, and
 * collects what is published after the commit. There is no other way to publish.
 *
 * The snapshot moves by one, with the first statement that writes: the chat's own row, or a message, whose trigger moves
 * the row along; before any other statement, in one that does only that.
 */
export class Bundle {
  /** For statements that move no version of the chat: whatever reads, the ledger, files. */
  readonly tx: WriteTx;
  readonly chatId: string;
  /** The transaction that this bundle is part of: how a transition reaches other chats of the family. */
  readonly transaction: Transaction;
  readonly before: ChatRow | null;
  /** When the row was locked, by the database's clock. */
  readonly lockedAt: Date;
  #readAlong: ReadAlong;
  #chat: ChatRow | null;
  /** Something was written that changes the row through a trigger; `state` may be sound all the same. */
  #rowStale = false;
  #stateStale = false;
  #born: boolean;
  #historyCut = false;
  /** The queue as it is, where this bundle has written to it and has read it since. */
  #queue: QueueRow[] | null = null;
  #queueStale = false;
  readonly #messages = new Map<number, MessageRow>();
  /** Taken with the lock, for the first message that is inserted; null once it is used. */
  #messageId: number | null;
  /** Columns that are written with the next statement on the row, or with the last. */
  #planned: ChatChanges | null = null;
  #queueTouched = false;
  /** The row as the statement leaves it that has moved the snapshot, and nothing else. */
  #bumped: Promise<ChatRow> | null = null;

  /** `before` null: the row was inserted by this transaction. */
  constructor(
    transaction: Transaction,
    chatId: string,
    before: ChatRow | null,
    { chat, messageId, at }: ChatForWriting,
    readAlong: ReadAlong = {},
  ) {
    this.#readAlong = readAlong;
    this.transaction = transaction;
    this.tx = transaction.tx;
    this.#messageId = messageId;
    this.chatId = chatId;
    this.before = before;
    this.lockedAt = at;
    this.#chat = chat;
    this.#born = before !== null;
    if (chat.snapshot_version !== this.snapshot) this.plan({ snapshot_version: this.snapshot });
  }

  /** The transaction, with the chat at the bundle's snapshot: for statements that write to its row, its history or its queue. */
  atSnapshot(): WriteTx {
    if (this.#takeBump()) {
      this.#bumped = updateChat(this.tx, this.chatId, { snapshot_version: this.snapshot });
      this.#bumped.catch(() => {});
    }
    return this.tx;
  }

  /** Whether the snapshot was still to be moved; by now it is the caller's to do. */
  #takeBump(): boolean {
    if (this.#planned?.snapshot_version === undefined) return false;
    const { snapshot_version: _, ...planned } = this.#planned;
    this.#planned = Object.keys(planned).length === 0 ? null : planned;
    return true;
  }

  /** The row, with everything that this bundle has written. */
  get chat(): ChatRow {
    assert(!this.#isStale, "the row is not what it was when it was read: refresh first");
    if (this.#chat === null) throw new ChatNotFound(this.chatId);
    return this.#chat;
  }

  get #isStale(): boolean {
    return this.#rowStale || this.#planned !== null || this.#bumped !== null;
  }

  /** Columns that no trigger writes: sound also where the rest of the row has to be read again. */
  get flags(): Pick<
    ChatRow,
    | "hold"
    | "compact_only"
    | "root_chat_id"
    | "compaction_requested_at"
    | "mcp_servers"
    | "mcp_revision"
  > {
    if (this.#chat === null) throw new ChatNotFound(this.chatId);
    return this.#chat;
  }

  get queueLength(): number {
    assert(!this.#stateStale, "the queue was changed: refresh first");
    return this.#chat?.queue_length ?? 0;
  }

  /** `N` until the transition that makes the chat has run, and after the one that deletes it. */
  get state(): State {
    assert(!this.#stateStale, "the row was changed by a trigger: refresh first");
    return this.#born ? stateOf(this.#chat) : "N";
  }

  /** The transition that makes the chat has run. */
  born(): void {
    this.#born = true;
  }

  /** Writes the given columns, with what was planned, and no others. */
  async set(changes: ChatChanges): Promise<ChatRow> {
    const all = { ...this.#takePlanned(), ...changes };
    return this.adopt(await this.#alongQueue(updateChat(this.tx, this.chatId, all)));
  }

  /**
   * Writes the given columns with the next statement on the row, at the latest with the last: what several of a turn's
   * transitions write is one statement, and nobody waits for it.
   */
  plan(changes: PlannedChanges): void {
    this.#planned = { ...this.#planned, ...changes };
    if (this.#chat !== null) this.#chat = { ...this.#chat, ...changes };
  }

  /** To be asked for once, before anything is written. */
  takeReadAlong(): ReadAlong {
    const taken = this.#readAlong;
    this.#readAlong = {};
    return taken;
  }

  /** The row as far as it is known: versions, and what triggers write, may be newer. */
  get sketch(): ChatRow {
    if (this.#chat === null) throw new ChatNotFound(this.chatId);
    return this.#chat;
  }

  /** Messages were soft-deleted. */
  get historyCut(): boolean {
    return this.#historyCut;
  }

  #takePlanned(): ChatChanges {
    const planned = this.#planned ?? {};
    this.#planned = null;
    return planned;
  }

  /** As `set`; in the same statement the worst case of the call of the new attempt is reserved, or refused. */
  async setReserving(
    changes: ChatChanges & { readonly generation_attempt: "next" },
    wish: Wish,
  ): Promise<{ readonly chat: ChatRow; readonly spend: SpendAnswer }> {
    const all = { ...this.#takePlanned(), ...changes };
    const written = updateChatReserving(this.tx, this.chatId, all, wish);
    const { chat, spend } = await this.#alongQueue(written);
    return { chat: this.adopt(chat), spend };
  }

  /** Writes what is planned, and names the runner in the same statement: see `updateAndOffer`. */
  async setAndOffer(offer: Offer): Promise<ChatRow> {
    const written = updateAndOffer(this.tx, this.chatId, this.#takePlanned(), offer);
    return this.adopt(await this.#alongQueue(written));
  }

  /** The row as a statement of the caller's has just written it. */
  adopt(row: ChatRow): ChatRow {
    this.#chat = row;
    this.#bumped = null;
    this.#rowStale = false;
    this.#stateStale = false;
    return row;
  }

  /** Message rows move versions of the chat, never its state. @throws IdempotencyKeyReused */
  async insert(message: NewMessage): Promise<MessageRow> {
    this.#rowStale = true;
    if (message.client_id) this.transaction.inserts(message.client_id);
    const id = this.#messageId;
    if (id === null) {
      const row = await insertMessage(this.atSnapshot(), this.chatId, message);
      this.#messages.set(row.id, row);
      return row;
    }
    this.#messageId = null;
    // Its trigger moves the chat's snapshot to that of the message.
    this.#takeBump();
    // Not waited for: where it fails, so does whatever comes after it in the transaction, its COMMIT at the latest.
    const stamp = { id, revision: this.snapshot, created_at: this.lockedAt };
    const { row, sent } = insertMessageAs(this.tx, this.chatId, message, stamp);
    sent.catch(() => {});
    this.#messages.set(row.id, row);
    return row;
  }

  /** What the bundle moves the chat's snapshot to. */
  get snapshot(): number {
    return this.before === null ? 1 : this.before.snapshot_version + 1;
  }

  /** Takes in messages that a statement of the caller's has inserted. */
  inserted(rows: readonly MessageRow[]): void {
    this.#rowStale = true;
    this.#messageId = null;
    for (const row of rows) this.#messages.set(row.id, row);
  }

  /** Every live message that this bundle has inserted, in order. */
  get messages(): MessageRow[] {
    return [...this.#messages.values()].sort((a, b) => a.id - b.id);
  }

  /** To be called with any write to the queue: it reaches the row through a trigger. */
  queueTouched(): void {
    this.#queueTouched = true;
    this.#rowStale = true;
    this.#stateStale = true;
    this.#queueStale = true;
  }

  /** Messages were soft-deleted, from this id on. */
  cut(from: number): void {
    this.#historyCut = true;
    this.#rowStale = true;
    for (const id of this.#messages.keys()) if (id >= from) this.#messages.delete(id);
  }

  /** The chat's row is gone. */
  gone(): void {
    this.#chat = null;
    this.#planned = null;
    this.#bumped = null;
    this.#rowStale = false;
    this.#stateStale = false;
  }

  /** Writes what is planned, and reads the row again where something else than `set` has changed it. */
  async refresh(): Promise<void> {
    if (this.#planned !== null) {
      await this.set({});
      return;
    }
    if (!this.#rowStale) {
      if (this.#bumped !== null) this.adopt(await this.#bumped);
      return;
    }
    this.#bumped = null;
    this.#chat = (await this.#alongQueue(readChat(this.tx, this.chatId))) ?? null;
    this.#rowStale = false;
    this.#stateStale = false;
  }

  /** As `refresh`, where `state` may have changed. */
  async refreshState(): Promise<void> {
    if (this.#stateStale) await this.refresh();
  }

  /**
   * Ends the bundle: sends what is planned, and reads what is to be published. Where nothing more is to be read, what is
   * planned goes out with the COMMIT, if nothing else follows in the transaction. Gives what is published; to be awaited when the transaction has committed.
   */
  async end(isLast: boolean): Promise<() => Promise<Commit>> {
    const isKnown = this.#planned !== null && !this.#queueTouched;
    if (!isLast || !isKnown || this.#chat?.status === "requires_action") {
      const commit = await this.commit();
      return async () => await Promise.resolve(commit);
    }
    const last = updateChatLast(this.tx, this.chatId, this.#takePlanned());
    last.catch(() => {});
    return async () => {
      this.adopt(await last);
      return await this.commit();
    };
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
    const [queue, actions] = await Promise.all([
      chat.queue_version === chat.snapshot_version ? this.#readQueue(chat) : null,
      chat.status === "requires_action" ? readPendingActions(this.tx, this.chatId) : null,
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

  async #readQueue(chat: ChatRow): Promise<QueueRow[]> {
    if (chat.queue_length === 0) return [];
    if (this.#queue === null || this.#queueStale) return await readQueue(this.tx, this.chatId);
    return this.#queue;
  }

  /** A queue that was written to is published: it is read in the same round trip as the row. */
  async #alongQueue<T>(row: Promise<T>): Promise<T> {
    if (!this.#queueStale) return await row;
    this.#queueStale = false;
    const [value, queue] = await Promise.all([row, readQueue(this.tx, this.chatId)]);
    this.#queue = queue;
    return value;
  }
}
