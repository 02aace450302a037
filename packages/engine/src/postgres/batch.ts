import { Query, type QueryResult } from "pg";

/** What one statement of a batch came to. Whatever stands behind one that failed was not run, and fails with it. */
export type BatchAnswer =
  | { readonly ok: true; readonly result: QueryResult }
  | { readonly ok: false; readonly error: unknown };

export interface BatchStatement {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

/** What the driver's queries are told by its client; its types leave these out. */
interface QueryHandlers {
  name: string | undefined;
  text: string | undefined;
  callback: (error: unknown, result?: QueryResult) => void;
  /** The client gives it the parsers of its connection. */
  readonly _result: { _types: unknown };
  submit(wire: Wire): Error | null;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, wire: Wire): void;
  handleEmptyQuery(wire: Wire): void;
  handleError(error: unknown, wire: Wire): void;
  handleReadyForQuery(wire: Wire): void;
}

interface Wire {
  readonly submittedNamedStatements: Record<string, string>;
  readonly stream: { cork?(): void; uncork?(): void };
  sync(): void;
}

const DriverQuery = Query as unknown as new (
  config: BatchStatement,
  callback: QueryHandlers["callback"],
) => QueryHandlers;

/**
 * Several prepared statements with one Sync behind them all: where one fails, the server skips the rest. So BEGIN can go
 * out with what follows it, which never runs outside of the transaction, and COMMIT with what it commits. It is one
 * write to the socket and one entry in the driver's queue.
 *
 * The driver knows one statement to a Sync. This is a query of its own kind that hands what it is told on to the one
 * whose turn it is.
 */
export class Batch extends DriverQuery {
  readonly #queries: QueryHandlers[];
  readonly #answers: (BatchAnswer | null)[];
  readonly #done: (answers: readonly BatchAnswer[]) => void;
  #at = 0;
  #over = false;
  /** The driver has refused a statement: it and what stands behind it were not sent. */
  #refused: { readonly error: unknown } | null = null;

  constructor(
    statements: readonly BatchStatement[],
    done: (answers: readonly BatchAnswer[]) => void,
  ) {
    const [first] = statements;
    if (first === undefined) throw new Error("an empty batch");
    super(first, (error) => this.#settle(error));
    this.#done = done;
    this.#answers = statements.map(() => null);
    this.#queries = statements.map(
      (statement, at) =>
        new DriverQuery(statement, (error, result) => {
          this.#answers[at] ??=
            error || result === undefined ? { ok: false, error } : { ok: true, result };
        }),
    );
  }

  override submit(wire: Wire): null {
    const withoutSync = Object.create(wire, { sync: { value: () => {} } }) as Wire;
    wire.stream.cork?.();
    try {
      for (const [at, query] of this.#queries.entries()) {
        query._result._types = this._result._types;
        const error = query.submit(withoutSync);
        const refused = error ?? refusalIn(this.#answers[at]);
        if (refused === null) continue;
        this.#refused = { error: refused };
        break;
      }
      wire.sync();
    } finally {
      wire.stream.uncork?.();
    }
    return null;
  }

  override handleRowDescription(message: unknown): void {
    this.#queries[this.#at]?.handleRowDescription(message);
  }

  override handleDataRow(message: unknown): void {
    this.#queries[this.#at]?.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, wire: Wire): void {
    this.#queries[this.#at]?.handleCommandComplete(message, wire);
    this.#next(wire);
  }

  override handleEmptyQuery(wire: Wire): void {
    this.#queries[this.#at]?.handleEmptyQuery(wire);
    this.#next(wire);
  }

  override handleError(error: unknown, wire: Wire): void {
    // What was to be prepared behind the error was skipped, too.
    for (const { name = "" } of this.#queries.slice(this.#at)) {
      delete wire.submittedNamedStatements[name];
    }
    this.callback(error);
  }

  override handleReadyForQuery(): void {
    this.callback(null);
  }

  /** The client takes down what was prepared under the name and text that it finds here. */
  #next(wire: Wire): void {
    this.#queries[this.#at]?.handleReadyForQuery(wire);
    this.#at += 1;
    const { name, text } = this.#queries[this.#at] ?? {};
    this.name = name;
    this.text = text;
  }

  #settle(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const cause = error ?? this.#refused?.error ?? new Error("a statement was left unanswered");
    this.#done(this.#answers.map((answer) => answer ?? { ok: false, error: cause }));
  }
}

function refusalIn(answer: BatchAnswer | null | undefined): unknown {
  return answer?.ok === false ? answer.error : null;
}
