import { Pool, type PoolClient } from "pg";
import { defined } from "../lib/assert.ts";
import { backoffMs } from "../lib/backoff.ts";
import { systemClock, type Clock } from "../lib/clock.ts";
import { silentLogger, type Logger } from "../lib/logger.ts";
import { systemRandom, type Random } from "../lib/random.ts";
import type { BatchStatement } from "./batch.ts";
import { openDedicated, type DedicatedConnection, type DedicatedOptions } from "./dedicated.ts";
import { DatabaseUnavailable, isRetryableInTransaction } from "./errors.ts";
import { Gate, type Lane } from "./gate.ts";
import { IdentityWatch, readIdentity, type DatabaseIdentity } from "./identity.ts";
import { Session } from "./session.ts";
import { clientConfig, connectWaitMs, type ConnectionSettings } from "./settings.ts";
import type { ReadTx, Statement, WriteTx } from "./sql.ts";
import { Stats } from "./stats.ts";
import {
  beginStatements,
  readOnce,
  runTransaction,
  type Outcome,
  type TransactionKind,
} from "./transaction.ts";

export interface TransactionOptions {
  /** The label that its cost is counted under. */
  operation?: string;
  /** What it waits behind when connections are few (`gate.ts`). Default: work. */
  lane?: Lane;
  statementTimeoutMs?: number;
  lockTimeoutMs?: number;
}

/** The database as the rest of the engine sees it. All errors are typed: see `errors.ts`. */
export interface Database {
  /** One read-only snapshot (repeatable read); blocks nobody. */
  read<T>(fn: (tx: ReadTx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * One read-committed transaction. `fn` may run more than once: deadlocks and serialization failures are tried
   * again from its start, so it must not change anything outside of the transaction.
   */
  write<T>(fn: (tx: WriteTx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** One reading statement in one round trip, without a transaction around several. */
  one<R = Record<string, unknown>>(
    statement: Statement,
    options?: TransactionOptions,
  ): Promise<R[]>;
  /** A connection of its own, outside the pool; its statements are counted under `label`. */
  connection(label: string, options?: Partial<DedicatedOptions>): Promise<DedicatedConnection>;
  /** Asks the database who it is. */
  identity(): Promise<DatabaseIdentity>;
  /** Calls `fn` when a new connection finds another system identifier or timeline. Returns the way out. */
  onIdentityChange(fn: (before: DatabaseIdentity, after: DatabaseIdentity) => void): () => void;
  /** Calls `fn` when the pool connects again after it lost a connection or failed to make one. */
  onReconnect(fn: () => void): () => void;
  readonly stats: Stats;
  /** Waits for the transactions that have begun, then closes the pool. Dedicated connections are their owners' to close. */
  close(): Promise<void>;
}

export type DatabaseOptions = ConnectionSettings & {
  /** For dedicated connections, where the pool goes through a pooler that does not keep sessions. */
  direct?: ConnectionSettings;
  /** Enough for two cores; more connections only queue inside the server. */
  poolSize?: number;
  statementTimeoutMs?: number;
  lockTimeoutMs?: number;
  /** How long a transaction may wait for a connection to become free, and then for it to be made. */
  poolWaitMs?: number;
  /** What the server is given on top of its own timeout before its silence counts as a broken connection. */
  answerGraceMs?: number;
  logger?: Logger;
  clock?: Clock;
  random?: Random;
  onReconnect?: () => void;
};

const poolSizeDefault = 8;
const statementTimeoutDefaultMs = 10_000;
const lockTimeoutDefaultMs = 5_000;

const answerGraceDefaultMs = 5_000;

/** A deadlock takes `deadlock_timeout` (1 s) to be found: more tries than this make a request hang. */
const transactionAttemptsMax = 5;
const retryBackoff = { baseMs: 20, maxMs: 500 };

/** Connections that broke unnoticed while idle are found at BEGIN; all of the pool may be like that. */
const brokenConnectionsMax = 10;

const unlabelled = "unlabelled";

export function createDatabase(options: DatabaseOptions): Database {
  return new PostgresDatabase(options);
}

class PostgresDatabase implements Database {
  readonly stats = new Stats();
  readonly #settings: ConnectionSettings;
  readonly #direct: ConnectionSettings;
  readonly #statementTimeoutMs: number;
  readonly #lockTimeoutMs: number;
  readonly #answerGraceMs: number;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #pool: Pool;
  readonly #gate: Gate;
  /** Calls that are not over, those included that wait: for a connection, or to try again. */
  readonly #underWay = new Set<Promise<unknown>>();
  /** Connections that the pool has made, and nobody has used yet. */
  readonly #opening = new WeakMap<PoolClient, Session>();
  readonly #sessions = new WeakMap<PoolClient, Session>();
  /** Those of a primary, made after tables were last altered: the others are replaced as they come up. */
  #fresh = new WeakSet<Session>();
  readonly #identity = new IdentityWatch();
  readonly #reconnectListeners = new Set<() => void>();
  #disconnected = false;
  #closing: Promise<void> | undefined;

  constructor(options: DatabaseOptions) {
    const { poolSize, statementTimeoutMs, lockTimeoutMs, poolWaitMs, logger, clock, random } =
      options;
    this.#settings = connectionSettings(options);
    this.#direct = options.direct ?? this.#settings;
    this.#statementTimeoutMs = statementTimeoutMs ?? statementTimeoutDefaultMs;
    this.#lockTimeoutMs = lockTimeoutMs ?? lockTimeoutDefaultMs;
    this.#answerGraceMs = options.answerGraceMs ?? answerGraceDefaultMs;
    this.#logger = logger ?? silentLogger;
    this.#clock = clock ?? systemClock;
    this.#random = random ?? systemRandom(this.#clock);
    if (options.onReconnect) this.#reconnectListeners.add(options.onReconnect);
    const size = poolSize ?? poolSizeDefault;
    const waitMs = poolWaitMs ?? connectWaitMs;
    this.#gate = new Gate({
      size,
      waitMs,
      clock: this.#clock,
      onWaited: (lane, ms) => this.stats.waited(lane, ms),
    });
    this.#pool = new Pool({
      ...clientConfig(this.#settings, this.#statementTimeoutMs + this.#answerGraceMs),
      connectionTimeoutMillis: waitMs,
      max: size,
      // A warm connection saves prepared statements too; the server's limit is what bounds them.
      idleTimeoutMillis: 0,
    });
    const pool = this.#pool;
    this.stats.pool = () => ({
      size: pool.options.max,
      used: pool.totalCount - pool.idleCount,
      waiting: this.#gate.waiting("work") + this.#gate.waiting("upkeep"),
      upkeepWaiting: this.#gate.waiting("upkeep"),
    });
    // At once: the server may end a connection with the very packet that opens it, and an error that nobody listens for
    // ends the process.
    this.#pool.on("connect", (client) => {
      const session = new Session(client, this.stats);
      session.onLost((cause) => this.#noteLost(cause));
      this.#opening.set(client, session);
    });
    // The pool has dropped the client already; without a listener the process would end here.
    this.#pool.on("error", (error) => this.#noteLost(error));
  }

  read<T>(fn: (tx: ReadTx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.#call(() => this.#transaction("read", fn, options));
  }

  write<T>(fn: (tx: WriteTx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.#call(() => this.#transaction("write", fn, options));
  }

  one<R>(statement: Statement, options: TransactionOptions = {}): Promise<R[]> {
    const operation = options.operation ?? unlabelled;
    const begin = this.#begin("read", options);
    return this.#call(() =>
      this.#withSession(operation, options.lane, (session) =>
        readOnce<R>(session, begin, statement, operation, this.stats),
      ),
    );
  }

  connection(label: string, options: Partial<DedicatedOptions> = {}): Promise<DedicatedConnection> {
    const statementTimeoutMs = options.statementTimeoutMs ?? this.#statementTimeoutMs;
    const lockTimeoutMs = options.lockTimeoutMs ?? this.#lockTimeoutMs;
    const answerWaitMs =
      options.answerWaitMs ??
      (statementTimeoutMs === 0 ? 0 : statementTimeoutMs + this.#answerGraceMs);
    const limits = { statementTimeoutMs, lockTimeoutMs, answerWaitMs };
    return openDedicated(this.#direct, label, limits, this.stats, this.#identity);
  }

  async identity(): Promise<DatabaseIdentity> {
    return this.read(
      async (tx) => {
        const found = await readIdentity(tx);
        this.#identity.see(found);
        return found;
      },
      { operation: "identity" },
    );
  }

  onIdentityChange(fn: (before: DatabaseIdentity, after: DatabaseIdentity) => void): () => void {
    return this.#identity.onChange(fn);
  }

  onReconnect(fn: () => void): () => void {
    this.#reconnectListeners.add(fn);
    return () => this.#reconnectListeners.delete(fn);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** A pool that ends forgets who waits for it: so it ends when all have come and gone. */
  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#pool.end();
  }

  async #call<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new DatabaseUnavailable("closed");
    const call = fn();
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
    }
  }

  async #transaction<T>(
    kind: TransactionKind,
    fn: (tx: WriteTx) => Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    const operation = options.operation ?? unlabelled;
    const begin = this.#begin(kind, options);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#withSession(operation, options.lane, (session) =>
          runTransaction(session, kind, begin, fn, operation, this.stats),
        );
      } catch (error) {
        if (attempt >= transactionAttemptsMax || !isRetryableInTransaction(error)) throw error;
        this.stats.add(operation, "retries");
        await this.#clock.sleep(backoffMs(attempt, retryBackoff, this.#random), "database.retry");
      }
    }
  }

  /** Runs `work` on a connection of the pool; one that breaks is thrown away, one found broken is replaced. */
  async #withSession<T>(
    operation: string,
    lane: Lane = "work",
    work: (session: Session) => Promise<Outcome<T>>,
  ): Promise<T> {
    const leave = await this.#gate.enter(lane);
    try {
      for (let broken = 0; broken <= brokenConnectionsMax; broken++) {
        const outcome = await this.#onConnection(operation, work);
        if (outcome !== "unused") return outcome.value;
      }
      throw new DatabaseUnavailable("lost");
    } finally {
      leave();
    }
  }

  async #onConnection<T>(
    operation: string,
    work: (session: Session) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const { client, session } = await this.#acquire(operation);
    try {
      return await work(session);
    } finally {
      if (session.stale) this.#fresh = new WeakSet();
      // Also what is left in a transaction, because its ROLLBACK failed, is lost by then.
      client.release(session.lost || session.stale);
    }
  }

  async #acquire(operation: string): Promise<{ client: PoolClient; session: Session }> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      this.#disconnected = true;
      throw DatabaseUnavailable.connecting(error);
    }
    const known = this.#sessions.get(client);
    if (known && this.#fresh.has(known)) return { client, session: known };
    if (known) {
      client.release(true);
      return await this.#acquire(operation);
    }
    const session = defined(this.#opening.get(client), "the session of a new connection");
    this.#sessions.set(client, session);
    try {
      const found = await readIdentity(session.sql("connect"));
      this.#identity.see(found);
      if (!found.standby) this.#fresh.add(session);
    } catch (error) {
      client.release(true);
      throw error;
    }
    this.#noteConnected(operation);
    return { client, session };
  }

  #noteLost(cause: unknown): void {
    if (this.#closing) return;
    this.#disconnected = true;
    this.#logger.warn({ err: cause }, "lost a database connection");
  }

  #noteConnected(operation: string): void {
    if (!this.#disconnected) return;
    this.#disconnected = false;
    this.#logger.info({ operation }, "connected to the database again");
    for (const listener of this.#reconnectListeners) listener();
  }

  #begin(kind: TransactionKind, options: TransactionOptions): readonly BatchStatement[] {
    return beginStatements(
      kind,
      options.statementTimeoutMs ?? this.#statementTimeoutMs,
      options.lockTimeoutMs ?? this.#lockTimeoutMs,
    );
  }
}

/** Only what names the database: the rest of the options is not the driver's. */
function connectionSettings(options: ConnectionSettings): ConnectionSettings {
  if ("connectionString" in options) return { connectionString: options.connectionString };
  const { host, port, user, database, password, stream } = options;
  return {
    host,
    port,
    user,
    database,
    ...(password === undefined ? {} : { password }),
    ...(stream === undefined ? {} : { stream }),
  };
}
