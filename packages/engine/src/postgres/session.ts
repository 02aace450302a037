import type { Client, ClientBase, QueryResult, Submittable } from "pg";
import { Batch, type BatchAnswer, type BatchStatement } from "./batch.ts";
import {
  DatabaseUnavailable,
  isFatal,
  isSqlStateError,
  isStalePlan,
  StatementFailed,
} from "./errors.ts";
import type { Sql, Statement } from "./sql.ts";
import type { Stats } from "./stats.ts";

/** What the driver says when it gave up waiting for an answer; it has no class or code for it. */
const readTimeoutMessage = "Query read timeout";

/** One connection: counts what goes over it, and tells an error of the statement from the loss of the connection. */
export class Session {
  readonly #client: ClientBase;
  readonly #stats: Stats;
  #inFlight = 0;
  #lost: { cause: unknown } | undefined;
  #onLost: ((cause: unknown) => void) | undefined;
  #stale = false;

  constructor(client: ClientBase, stats: Stats) {
    this.#client = client;
    this.#stats = stats;
    // Without a listener an error between two statements would end the process.
    client.on("error", (error) => this.#markLost(error));
    client.on("end", () => this.#markLost(new Error("connection ended")));
  }

  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /** A table was altered after statements on it were prepared here: they fail for as long as the session lasts. */
  get stale(): boolean {
    return this.#stale;
  }

  /** Calls `fn` once when the connection breaks (at once when it has). */
  onLost(fn: (cause: unknown) => void): void {
    if (this.#lost) fn(this.#lost.cause);
    else this.#onLost = fn;
  }

  /** Treats the connection as broken: what state it is in is not known any more. */
  giveUp(cause: unknown): void {
    this.#markLost(cause);
  }

  /** Gives the answer of one message to the server. `name` is what an error calls it. */
  async send(
    operation: string,
    name: string,
    config: string | { name: string; text: string; values: unknown[] },
  ): Promise<QueryResult> {
    if (this.#inFlight === 0) this.#stats.add(operation, "roundTrips");
    this.#inFlight += 1;
    try {
      return await this.#client.query(config);
    } catch (error) {
      throw this.#explain(name, error);
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Sends the statements together; where one fails, those behind it are not run and fail with its error. */
  async sendBatch(
    operation: string,
    statements: readonly BatchStatement[],
  ): Promise<readonly BatchAnswer[]> {
    if (this.#inFlight === 0) this.#stats.add(operation, "roundTrips");
    this.#inFlight += 1;
    try {
      const answers = await new Promise<readonly BatchAnswer[]>((resolve) => {
        this.#client.query(new Batch(statements, resolve) as unknown as Submittable);
      });
      const failed = answers.findIndex((answer) => !answer.ok);
      const first = answers[failed];
      if (first === undefined || first.ok) return answers;
      const error = this.#explain(statements[failed]?.name ?? "", first.error);
      return answers.map((answer) => (answer.ok ? answer : { ok: false, error }));
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Statements of their own, or of whatever transaction is open, under one label. */
  sql(operation: string): Sql {
    return {
      query: async <R>(statement: Statement) => {
        this.#stats.add(operation, "statements");
        const { name, text, values = [] } = statement;
        const result = await this.send(operation, name, { name, text, values: [...values] });
        return result.rows as R[];
      },
      exec: async (text) => {
        this.#stats.add(operation, "statements");
        await this.send(operation, text.slice(0, 60), text);
      },
    };
  }

  #explain(name: string, error: unknown): unknown {
    if (isStalePlan(error)) this.#stale = true;
    if (isSqlStateError(error) && !isFatal(error)) return new StatementFailed(name, error);
    const silent = error instanceof Error && error.message === readTimeoutMessage;
    if (isFatal(error) || silent) this.#markLost(error);
    // What is left is the driver refusing a value before it was sent, or a parser refusing an answer.
    return this.#lost ? new DatabaseUnavailable(silent ? "silent" : "lost", error) : error;
  }

  #markLost(cause: unknown): void {
    if (this.#lost) return;
    this.#lost = { cause };
    this.#onLost?.(cause);
  }
}

/** Ends a client of ours and never throws: it may be broken already. */
export async function endClient(client: Client): Promise<void> {
  try {
    await client.end();
  } catch {
    // Nothing left to close.
  }
}
