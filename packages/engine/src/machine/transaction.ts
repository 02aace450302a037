import type { Commit } from "../domain/commit.ts";
import { ChatNotFound, FenceLost, IdempotencyKeyReused } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import { noLimits, slotLimitsOf, type RunningLimits } from "../domain/running-limits.ts";
import { isRunnable, stateOf } from "../domain/state.ts";
import { fenceHolds, type Fence } from "../domain/task.ts";
import { assert } from "../lib/assert.ts";
import { isUniqueViolation } from "../postgres/errors.ts";
import type { WriteTx } from "../postgres/sql.ts";
import {
  insertChat,
  lockChat,
  lockForWriting,
  updateChat,
  type BoundChanges,
  type MetadataChanges,
  type NewChat,
} from "../store/chats.ts";
import { Bundle, type ReadAlong } from "./bundle.ts";
import type { Acquirer, Entered, Reservation } from "./ports.ts";

export interface UpdateOptions {
  /** Refuses with `FenceLost` unless the row, locked, still names this runner in this status and history. */
  readonly fence?: Fence;
  /** Offer the chat to this replica's worker when the bundle leaves it runnable and unowned. */
  readonly acquire?: boolean;
  /** Nothing follows this bundle in its transaction: what it has planned may go out with the COMMIT. */
  readonly isLast?: boolean;
  /** Sends statements that go out with the one that locks the row, and run behind it. */
  readonly along?: (tx: WriteTx) => ReadAlong;
}

/** What ownership is judged by. */
export interface OwnershipRules {
  /** How old a worker's last beat may be, in milliseconds of database time. */
  readonly leaseMs: number;
  readonly limits: RunningLimits;
}

/** A worker whose lock is gone is dead after this long without a beat. */
export const silenceMs = 1_500;

/**
 * One database transaction in which bundles run. Bundles run inside it empty their buffers here, and everything is
 * published once, after the one commit.
 */
export class Transaction {
  readonly tx: WriteTx;
  /** What is published, each to be awaited when the transaction has committed. */
  readonly commits: (() => Promise<Commit>)[] = [];
  readonly chatIds: string[] = [];
  readonly reservations: { reservation: Reservation; chat: ChatRow }[] = [];
  readonly rules: OwnershipRules;
  readonly #acquirer: Acquirer | null;
  /** Chats with a bundle under way: a second one inside it would work on a row that the first holds in memory. */
  readonly #open = new Set<string>();
  #failed: { readonly error: unknown } | null = null;
  readonly #offered = new Set<string>();
  #clientId: string | null = null;

  constructor(tx: WriteTx, acquirer: Acquirer | null, rules: OwnershipRules) {
    this.tx = tx;
    this.#acquirer = acquirer;
    this.rules = rules;
  }

  /** Locks the chat, runs `fn`, checks where it landed, and buffers what is to be published. */
  async update<T>(
    chatId: string,
    fn: (bundle: Bundle) => Promise<T>,
    options: UpdateOptions = {},
  ): Promise<T> {
    return await this.#whole(chatId, async () => {
      const locked = lockForWriting(this.tx, chatId);
      const along = options.along?.(this.tx);
      const row = await locked;
      if (row === undefined) throw new ChatNotFound(chatId);
      if (options.fence && !fenceHolds(row.chat, options.fence)) throw new FenceLost(chatId);
      return await this.#finish(new Bundle(this, chatId, row.chat, row, along), fn, options);
    });
  }

  /** Makes a chat and runs `fn` on it. */
  async create<T>(
    chat: NewChat,
    fn: (bundle: Bundle) => Promise<T>,
    options: UpdateOptions = {},
  ): Promise<T> {
    return await this.#whole(chat.id, async () => {
      const inserted = insertChat(this.tx, chat);
      options.along?.(this.tx);
      const row = await inserted;
      return await this.#finish(new Bundle(this, chat.id, null, row), fn, options);
    });
  }

  /**
   * Writes metadata: no transition and no bump. It is published with the snapshot that the chat has already, and a newer
   * `metadata_version`; what changes nothing is not published.
   */
  async patch(chatId: string, changes: MetadataChanges & BoundChanges): Promise<ChatRow> {
    assert(!this.#open.has(chatId), "metadata inside a bundle is written with Bundle.set");
    const before = await this.lock(chatId);
    const chat = await updateChat(this.tx, chatId, changes);
    if (chat.metadata_version !== before.metadata_version) {
      const nothing = { messages: [], historyCut: false, queue: null, actions: null };
      this.publish(chatId, { chat, before, deleted: false, ...nothing });
    }
    return chat;
  }

  publish(chatId: string, commit: Commit): void {
    this.chatIds.push(chatId);
    this.commits.push(async () => await Promise.resolve(commit));
  }

  /** A message with this client id is inserted. */
  inserts(clientId: string): void {
    this.#clientId = clientId;
  }

  /** Sending refuses a taken client id before it gets here; this is what a race or an old row comes down to. */
  explain(error: unknown): unknown {
    if (this.#clientId === null || !isUniqueViolation(error, "chat_messages_client_id"))
      return error;
    return new IdempotencyKeyReused(this.#clientId);
  }

  /** Rejects when a bundle has failed, even if its caller has swallowed that: what it wrote must not be committed. */
  assertWhole(): void {
    if (this.#failed) throw this.#failed.error;
  }

  async #whole<T>(chatId: string, fn: () => Promise<T>): Promise<T> {
    assert(!this.#open.has(chatId), "a bundle inside a bundle of the same chat");
    this.#open.add(chatId);
    try {
      return await fn();
    } catch (error) {
      this.#failed ??= { error };
      throw error;
    } finally {
      this.#open.delete(chatId);
    }
  }

  /** Holds the row lock without a bump; publishes nothing. */
  async lock(chatId: string): Promise<ChatRow> {
    const chat = await lockChat(this.tx, chatId);
    if (chat === undefined) throw new ChatNotFound(chatId);
    return chat;
  }

  async #finish<T>(
    bundle: Bundle,
    fn: (bundle: Bundle) => Promise<T>,
    options: UpdateOptions,
  ): Promise<T> {
    const result = await fn(bundle);
    await bundle.refreshState();
    assert(bundle.before !== null || bundle.state !== "N", "no transition made the chat");
    assert(bundle.state !== "Invalid" || this.#stillInvalid(bundle), "a bundle landed in Invalid");
    if (options.acquire) await this.offer(bundle);
    this.chatIds.push(bundle.chatId);
    this.commits.push(await bundle.end(options.isLast ?? false));
    return result;
  }

  /** Metadata of an invalid chat may be written; its state is not made worse by that. */
  #stillInvalid(bundle: Bundle): boolean {
    return bundle.before !== null && stateOf(bundle.before) === "Invalid";
  }

  /**
   * Offers a chat that the bundle has made runnable to this replica's worker, in the statement that writes what is
   * planned for its row. Where the worker knows the history and sees a plain call of the model ahead, that statement
   * records the attempt, too: the turn begins with its message.
   */
  async offer(bundle: Bundle): Promise<void> {
    if (this.#offered.has(bundle.chatId)) return;
    this.#offered.add(bundle.chatId);
    await bundle.refreshState();
    if (bundle.state === "N") return;
    const { sketch } = bundle;
    if (!isRunnable(sketch) || sketch.worker_id !== null) return;
    const resumes = doesResume(bundle);
    const reservation = this.#acquirer?.reserve(sketch, { resumes, entered: enteredIn(bundle) });
    if (!reservation) return;
    // Registered before it is sent: whatever becomes of the transaction, the reservation hears of it.
    const entry = { reservation, chat: sketch };
    this.reservations.push(entry);
    const row = await bundle.setAndOffer({
      worker_id: reservation.worker_id,
      runner_id: reservation.runner_id,
      lease_ms: this.rules.leaseMs,
      silence_ms: silenceMs,
      slot: slotLimitsOf(resumes ? noLimits : this.rules.limits, sketch),
      attempt: reservation.beginsAtOnce,
    });
    if (row.runner_id !== reservation.runner_id) {
      this.reservations.splice(this.reservations.indexOf(entry), 1);
      reservation.cancel();
      return;
    }
    entry.chat = row;
  }
}

/** The user's message that has begun a turn, and what was inserted before it; null where it was something else. */
function enteredIn(bundle: Bundle): Entered | null {
  const { before, sketch, messages, historyCut } = bundle;
  if (bundle.state !== "R0" || historyCut || messages.at(-1)?.role !== "user") return null;
  if (sketch.compaction_requested_at !== null) return null;
  const from = before?.history_version ?? null;
  return { from, history_version: bundle.snapshot, messages };
}

/** A turn that had only waited for somebody outside goes on, over the limits if need be: it was let in when it began. */
function doesResume({ before, sketch }: Bundle): boolean {
  return before?.status === "requires_action" && before.turn_message_id === sketch.turn_message_id;
}
