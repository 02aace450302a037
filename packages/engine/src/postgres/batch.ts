import { Query } from "pg";
import {
  Prepared,
  type BatchAnswer,
  type BatchStatement,
  type RowDescription,
  type Types,
  type Wire,
} from "./prepared.ts";

export type { BatchAnswer, BatchStatement } from "./prepared.ts";

/** What the driver's queries are told by its client; its types leave these out. */
interface QueryHandlers {
  name: string | undefined;
  text: string | undefined;
  callback: (error: unknown) => void;
  /** The client gives it the parsers of its connection. */
  readonly _result: { readonly _types: Types };
  submit(wire: Wire): Error | null;
  handleRowDescription(message: RowDescription): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleEmptyQuery(): void;
  handleError(error: unknown, wire: Wire): void;
  handleReadyForQuery(): void;
}

const DriverQuery = Query as unknown as new (
  text: string,
  callback: QueryHandlers["callback"],
) => QueryHandlers;

/**
 * Several prepared statements with one Sync behind them all: where one fails, the server skips the rest. So BEGIN can go
 * out with what follows it, which never runs outside of the transaction, and COMMIT with what it commits. It is one
 * write to the socket and one entry in the driver's queue.
 *
 * The driver knows one statement to a Sync. This is a query of its own kind that hands what it is told on to the
 * statement whose turn it is.
 */
export class Batch extends DriverQuery {
  readonly #statements: readonly Prepared[];
  readonly #done: (answers: readonly BatchAnswer[]) => void;
  #at = 0;
  #over = false;

  constructor(
    statements: readonly BatchStatement[],
    done: (answers: readonly BatchAnswer[]) => void,
  ) {
    const [first] = statements;
    if (first === undefined) throw new Error("an empty batch");
    super(first.text, (error) => this.#settle(error));
    this.name = first.name;
    this.#done = done;
    this.#statements = statements.map((statement) => new Prepared(statement));
  }

  override submit(wire: Wire): null {
    wire.stream.cork?.();
    try {
      // Behind one that the driver refuses nothing is sent.
      this.#statements.every((statement) => statement.send(wire));
      wire.sync();
    } finally {
      wire.stream.uncork?.();
    }
    return null;
  }

  override handleRowDescription(message: RowDescription): void {
    this.#statements[this.#at]?.described(message, this._result._types);
  }

  override handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.#statements[this.#at]?.row(fields);
  }

  override handleCommandComplete({ text }: { readonly text: string }): void {
    this.#next(text);
  }

  override handleEmptyQuery(): void {
    this.#next("");
  }

  override handleError(error: unknown, wire: Wire): void {
    // What was to be prepared behind the error was skipped, too.
    for (const statement of this.#statements.slice(this.#at)) statement.forget(wire);
    this.callback(error);
  }

  override handleReadyForQuery(): void {
    this.callback(null);
  }

  /** The client takes down what was prepared under the name and text that it finds here. */
  #next(tag: string): void {
    this.#statements[this.#at]?.complete(tag);
    this.#at += 1;
    const { name, text } = this.#statements[this.#at] ?? {};
    this.name = name;
    this.text = text;
  }

  #settle(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const answers = this.#statements.map(({ answer }) => answer);
    if (answers.every((answer) => answer !== null)) {
      this.#done(answers);
      return;
    }
    const refused = answers.find((answer) => answer?.ok === false);
    const cause = error ?? refused?.error ?? new Error("a statement was left unanswered");
    this.#done(answers.map((answer) => answer ?? { ok: false, error: cause }));
  }
}
