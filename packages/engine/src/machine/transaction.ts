import type { Commit } from "../domain/commit.ts";
import { ChatNotFound, FenceLost } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import { noLimits, slotLimitsOf, type RunningLimits } from "../domain/running-limits.ts";
import { isRunnable, stateOf } from "../domain/state.ts";
import { fenceHolds, type Fence } from "../domain/task.ts";
import { assert } from "../lib/assert.ts";
import type { WriteTx } from "../postgres/sql.ts";
import {
  insertChat,
  lockAndBump,
  lockChat,
  updateChat,
  type BoundChanges,
  type MetadataChanges,
  type NewChat,
} from "../store/chats.ts";
import { acquireChat } from "../store/ownership.ts";
import { Bundle } from "./bundle.ts";
import type { Acquirer, Reservation } from "./ports.ts";

export interface UpdateOptions {
  /** Refuses with `FenceLost` unless the row, locked, still names this runner in this status and history. */
  readonly fence?: Fence;
  /** Offer the chat to this replica's worker when the bundle leaves it runnable and unowned. */
  readonly acquire?: boolean;
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
  readonly commits: Commit[] = [];
  readonly reservations: { reservation: Reservation; chat: ChatRow }[] = [];
  readonly rules: OwnershipRules;
  readonly #acquirer: Acquirer | null;
  /** Chats with a bundle under way: a second one inside it would work on a row that the first holds in memory. */
  readonly #open = new Set<string>();
  #failed: { readonly error: unknown } | null = null;

  constructor(tx: WriteTx, acquirer: Acquirer | null, rules: OwnershipRules) {
    this.tx = tx;
    this.#acquirer = acquirer;
    this.rules = rules;
  }

  /** Locks and bumps the chat, runs `fn`, checks where it landed, and buffers what is to be published. */
  async update<T>(
    chatId: string,
    fn: (bundle: Bundle) => Promise<T>,
    options: UpdateOptions = {},
  ): Promise<T> {
    return await this.#whole(chatId, async () => {
      const chat = await lockAndBump(this.tx, chatId);
      if (chat === undefined) throw new ChatNotFound(chatId);
      if (options.fence && !fenceHolds(chat, options.fence)) throw new FenceLost(chatId);
      const before = { ...chat, snapshot_version: chat.snapshot_version - 1 };
      return await this.#finish(new Bundle(this, chatId, before, chat), fn, options);
    });
  }

  /** Makes a chat and runs `fn` on it. */
  async create<T>(
    chat: NewChat,
    fn: (bundle: Bundle) => Promise<T>,
    options: UpdateOptions = {},
  ): Promise<T> {
    return await this.#whole(chat.id, async () => {
      const row = await insertChat(this.tx, chat);
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
      this.commits.push({ chat, before, deleted: false, ...nothing });
    }
    return chat;
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
    await bundle.refresh();
    assert(bundle.before !== null || bundle.state !== "N", "no transition made the chat");
    assert(bundle.state !== "Invalid" || this.#stillInvalid(bundle), "a bundle landed in Invalid");
    if (options.acquire) await this.#acquire(bundle);
    this.commits.push(await bundle.commit());
    return result;
  }

  /** Metadata of an invalid chat may be written; its state is not made worse by that. */
  #stillInvalid(bundle: Bundle): boolean {
    return bundle.before !== null && stateOf(bundle.before) === "Invalid";
  }

  async #acquire(bundle: Bundle): Promise<void> {
    if (bundle.state === "N" || !isRunnable(bundle.chat) || bundle.chat.worker_id !== null) return;
    const resumes = doesResume(bundle);
    const reservation = this.#acquirer?.reserve(bundle.chat, resumes);
    if (!reservation) return;
    // Registered before it is sent: whatever becomes of the transaction, the reservation hears of it.
    const entry = { reservation, chat: bundle.chat };
    this.reservations.push(entry);
    const { worker_id, runner_id } = reservation;
    const row = await acquireChat(
      this.tx,
      bundle.chatId,
      worker_id,
      runner_id,
      this.rules.leaseMs,
      silenceMs,
      slotLimitsOf(resumes ? noLimits : this.rules.limits, bundle.chat),
    );
    if (row === undefined) {
      this.reservations.pop();
      reservation.cancel();
      return;
    }
    entry.chat = bundle.adopt(row);
  }
}

/** A turn that had only waited for somebody outside goes on, over the limits if need be: it was let in when it began. */
function doesResume({ before, chat }: Bundle): boolean {
  return before?.status === "requires_action" && before.turn_message_id === chat.turn_message_id;
}
