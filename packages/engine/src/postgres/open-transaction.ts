import { assert } from "../lib/assert.ts";
import type { BatchAnswer, BatchStatement } from "./batch.ts";
import { sqlState } from "./errors.ts";
import type { Session } from "./session.ts";
import type { Sql, Statement, WriteTx } from "./sql.ts";
import type { Stats } from "./stats.ts";

/** What statements answer that were sent behind one that failed: it says nothing of the cause. */
const consequences: ReadonlySet<string | undefined> = new Set([
  "25P02", // in_failed_sql_transaction
  "26000", // invalid_sql_statement_name: it was to be prepared behind the one that failed
]);

interface Sent {
  readonly statement: BatchStatement;
  readonly resolve: (rows: unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A transaction on its way. Statements that are asked for without an await between them go out together; BEGIN goes with
 * the first of them, COMMIT with the last, in one batch each (`batch.ts`): if BEGIN fails, none of them runs by itself.
 */
export class OpenTransaction {
  readonly #session: Session;
  readonly #begin: readonly BatchStatement[];
  readonly #operation: string;
  readonly #stats: Stats;
  readonly #waiting: Sent[] = [];
  readonly #last: Sent[] = [];
  #isOpen = true;
  #isScheduled = false;
  /** Nothing was sent; BEGIN is on its way, and nothing may follow it before it is answered; it was answered. */
  #phase: "new" | "beginning" | "begun" = "new";
  #beginning: Promise<unknown> = Promise.resolve();
  #beginFailed = false;
  #first: { readonly error: unknown } | null = null;
  /** The handle that the transaction's function gets. The one place where the brand is given. */
  readonly sql: WriteTx;

  constructor(session: Session, begin: readonly BatchStatement[], operation: string, stats: Stats) {
    this.#session = session;
    this.#begin = begin;
    this.#operation = operation;
    this.#stats = stats;
    const sql: Sql & Pick<WriteTx, "queryWithNext" | "queryLast"> = {
      query: async <R>(statement: Statement) => {
        const answer = this.#put(this.#waiting, statement);
        this.#schedule();
        return (await answer) as R[];
      },
      queryWithNext: async <R>(statement: Statement) =>
        (await this.#put(this.#waiting, statement)) as R[],
      queryLast: async <R>(statement: Statement) => (await this.#put(this.#last, statement)) as R[],
      exec: async (text) => {
        assert(this.#isOpen, "SQL after the end of its transaction");
        if (this.#phase === "new") this.#beginning = this.#flush([]);
        await this.#beginning;
        if (this.#first !== null) throw this.#first.error;
        await this.#noting(session.sql(operation).exec(text));
      },
    };
    this.sql = sql as WriteTx;
  }

  /** Something was sent: there may be a transaction to end. */
  get isSent(): boolean {
    return this.#phase !== "new";
  }

  /** BEGIN was answered: something may have run. */
  get isBegun(): boolean {
    return this.#phase === "begun" && !this.#beginFailed;
  }

  /** What BEGIN itself was refused with. */
  get beginError(): unknown {
    return this.#beginFailed ? this.#first?.error : undefined;
  }

  /** The function has failed: nothing more is sent. The handle refuses to work: the connection is somebody else's soon. */
  abandon(error: unknown): void {
    this.#isOpen = false;
    for (const { reject } of [...this.#waiting.splice(0), ...this.#last.splice(0)]) reject(error);
  }

  /** What to tell of a transaction that ended with this error: what failed first, in the order of sending. */
  causeOf(error: unknown): unknown {
    return consequences.has(sqlState(error)) ? (this.#first?.error ?? error) : error;
  }

  /** Sends what waits, and what was kept for the end, with COMMIT. Gives COMMIT's answer. */
  async commit(): Promise<BatchAnswer> {
    this.#isOpen = false;
    // What is kept for the end must not run alone either.
    if (this.#phase === "beginning") await this.#beginning;
    if (this.#beginFailed) {
      const error = this.#first?.error;
      for (const { reject } of this.#last.splice(0)) reject(error);
      return failed(error);
    }
    this.#waiting.push(...this.#last.splice(0));
    return (await this.#flush([commitStatement])) ?? failed(this.#first?.error);
  }

  #put(to: Sent[], { name, text, values = [] }: Statement): Promise<unknown[]> {
    assert(this.#isOpen, `statement ${name} after the end of its transaction`);
    this.#stats.add(this.#operation, "statements");
    return new Promise<unknown[]>((resolve, reject) => {
      to.push({ statement: { name, text, values: [...values] }, resolve, reject });
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#phase === "beginning") return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#phase === "beginning" || this.#waiting.length === 0) return;
      const isFirst = this.#phase === "new";
      const flushed = this.#flush([]);
      if (isFirst) this.#beginning = flushed;
    });
  }

  /** Never throws. Gives the last answer. */
  async #flush(end: readonly BatchStatement[]): Promise<BatchAnswer | undefined> {
    const sent = this.#waiting.splice(0);
    const begin = this.#phase === "new" ? this.#begin : [];
    const isBegin = begin.length > 0;
    if (isBegin) this.#phase = "beginning";
    const statements = [...begin, ...sent.map(({ statement }) => statement), ...end];
    let answers: readonly BatchAnswer[];
    try {
      answers = await this.#session.sendBatch(this.#operation, statements);
    } catch (error) {
      answers = statements.map(() => failed(error));
    }
    const bad = answers.find((answer) => !answer.ok);
    if (bad !== undefined) this.#first ??= { error: bad.error };
    if (isBegin) {
      this.#phase = "begun";
      this.#beginFailed = answers[0]?.ok !== true;
    }
    for (const [at, { resolve, reject }] of sent.entries()) {
      const answer = answers[begin.length + at] ?? failed(bad?.error);
      if (answer.ok) resolve(answer.result.rows);
      else reject(answer.error);
    }
    if (isBegin) this.#afterBegin();
    return answers.at(-1);
  }

  /** Whatever was asked for while BEGIN was on its way. */
  #afterBegin(): void {
    if (this.#waiting.length === 0) return;
    if (!this.#beginFailed) this.#schedule();
    else for (const { reject } of this.#waiting.splice(0)) reject(this.#first?.error);
  }

  async #noting<T>(sent: Promise<T>): Promise<T> {
    try {
      return await sent;
    } catch (error) {
      this.#first ??= { error };
      throw error;
    }
  }
}

export const commitStatement: BatchStatement = {
  name: "transaction.commit",
  text: "commit",
  values: [],
};

function failed(error: unknown): BatchAnswer {
  return { ok: false, error };
}
