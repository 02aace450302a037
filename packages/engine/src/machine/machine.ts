import { CommitUnknown } from "../postgres/errors.ts";
import type { Database } from "../postgres/database.ts";
import type { Lane } from "../postgres/gate.ts";
import type { ReadTx } from "../postgres/sql.ts";
import type { ChatRow } from "../domain/rows.ts";
import { noLimits, type RunningLimits } from "../domain/running-limits.ts";
import type { NewChat } from "../store/chats.ts";
import type { Bundle } from "./bundle.ts";
import type { Acquirer, Publisher } from "./ports.ts";
import { Transaction, type OwnershipRules, type UpdateOptions } from "./transaction.ts";

export interface MachineOptions {
  readonly database: Database;
  readonly publisher: Publisher;
  /** Null until a worker is there, and on replicas that run none. */
  readonly acquirer: Acquirer | null;
  /** How old a worker's last beat may be, in milliseconds of database time. */
  readonly leaseMs: number;
  /** How many chats may run at a time. Default: any number. */
  readonly limits?: RunningLimits;
}

export interface CallOptions extends UpdateOptions {
  /** The label under which the database counts this call's statements. */
  readonly operation?: string;
  /** What it waits behind when connections are few. Default: work. */
  readonly lane?: Lane;
}

/** The only writer of chat state (docs/spec.md, section 3). */
export class Machine {
  readonly #database: Database;
  readonly #publisher: Publisher;
  readonly #rules: OwnershipRules;
  #acquirer: Acquirer | null;

  constructor(options: MachineOptions) {
    this.#database = options.database;
    this.#publisher = options.publisher;
    this.#acquirer = options.acquirer;
    this.#rules = { leaseMs: options.leaseMs, limits: options.limits ?? noLimits };
  }

  get limits(): RunningLimits {
    return this.#rules.limits;
  }

  /** Wired once, when the worker is made: worker and machine know each other. */
  setAcquirer(acquirer: Acquirer | null): void {
    this.#acquirer = acquirer;
  }

  /**
   * One bundle: one transaction, one bump, any number of transitions.
   *
   * @throws ChatNotFound, FenceLost, or what `fn` throws; then nothing was changed and nothing is published.
   * @throws CommitUnknown when the answer to the commit was lost; then whoever cares is told to look.
   */
  async update<T>(
    chatId: string,
    fn: (bundle: Bundle) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    return await this.transaction(
      async (transaction) => await transaction.update(chatId, fn, { ...options, isLast: true }),
      options.operation ?? "machine.update",
      options.lane,
    );
  }

  /** Makes a chat and runs `fn` on it, in one bundle. */
  async create<T>(
    chat: NewChat,
    fn: (bundle: Bundle) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    return await this.transaction(
      async (transaction) => await transaction.create(chat, fn, { ...options, isLast: true }),
      options.operation ?? "machine.create",
      options.lane,
    );
  }

  /** Several bundles that commit together. Lock the root of a family first, then by id. */
  async transaction<T>(
    fn: (transaction: Transaction) => Promise<T>,
    operation = "machine.transaction",
    lane: Lane = "work",
  ): Promise<T> {
    let current: Transaction | undefined;
    let result: T;
    try {
      result = await this.#database.write(
        async (tx) => {
          // A deadlock victim runs again from the start: what its first try reserved is given back.
          for (const { reservation } of current?.reservations ?? []) reservation.cancel();
          current = new Transaction(tx, this.#acquirer, this.#rules);
          const value = await fn(current);
          current.assertWhole();
          return value;
        },
        { operation, lane },
      );
    } catch (error) {
      if (current) this.#failed(current, error instanceof CommitUnknown);
      throw current?.explain(error) ?? error;
    }
    const commits = await Promise.all(
      (current?.commits ?? []).map(async (commit) => await commit()),
    );
    for (const { reservation, chat } of current?.reservations ?? []) reservation.confirm(chat);
    if (commits.length > 0) this.#publisher.published(commits);
    return result;
  }

  #failed(transaction: Transaction, unknown: boolean): void {
    for (const { reservation } of transaction.reservations) {
      if (unknown) reservation.perhaps();
      else reservation.cancel();
    }
    if (!unknown) return;
    for (const chatId of transaction.chatIds) this.#publisher.perhaps(chatId);
  }

  /** Holds the row lock without a bump; publishes nothing. */
  async lock<T>(
    chatId: string,
    fn: (chat: ChatRow, transaction: Transaction) => Promise<T>,
    operation = "machine.lock",
  ): Promise<T> {
    return await this.transaction(
      async (transaction) => await fn(await transaction.lock(chatId), transaction),
      operation,
    );
  }

  /** A read-only repeatable-read snapshot: blocks nobody and is blocked by nobody. */
  async read<T>(fn: (tx: ReadTx) => Promise<T>, operation = "machine.read"): Promise<T> {
    return await this.#database.read(fn, { operation });
  }
}
