import { createRequire } from "node:module";
import { ColumnsChanged } from "./errors.ts";

/** What one statement of a batch came to. Whatever stands behind one that failed was not run, and fails with it. */
export type BatchAnswer =
  | { readonly ok: true; readonly result: BatchResult }
  | { readonly ok: false; readonly error: unknown };

export interface BatchResult {
  readonly rows: Record<string, unknown>[];
  /** The first word of the server's tag: SELECT, INSERT, COMMIT. */
  readonly command: string;
}

export interface BatchStatement {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

/** What the driver's connection does for a query; its types leave this out. */
export interface Wire {
  readonly parsedStatements: Record<string, string | undefined>;
  readonly submittedNamedStatements: Record<string, string | undefined>;
  readonly stream: { cork?(): void; uncork?(): void };
  parse(statement: { name: string; text: string }): void;
  bind(statement: { statement: string; values: unknown[] }): void;
  describe(portal: { type: "P"; name: "" }): void;
  execute(portal: object): void;
  sync(): void;
}

/** The driver's parsers of values, by type. */
export interface Types {
  getTypeParser(oid: number, format: "text"): (text: string) => unknown;
}

export interface RowDescription {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
}

/** What the rows of a prepared statement are made of. */
interface Shape {
  readonly names: readonly string[];
  readonly parsers: readonly ((text: string) => unknown)[];
  /** All columns, so that each row has its final form from the start. */
  readonly empty: Readonly<Record<string, unknown>>;
}

const noRows: Shape = { names: [], parsers: [], empty: {} };

/**
 * By connection and name. The server refuses to run a prepared statement whose columns have changed ("cached plan must not
 * change result type"), so what it said once holds for as long as the statement does. Behind a pooler the statement may be another one: there
 * the number of values tells.
 */
const shapes = new WeakMap<object, Map<string, Shape>>();

const { prepareValue } = createRequire(import.meta.url)("pg/lib/utils.js") as {
  prepareValue(this: void, value: unknown): unknown;
};

/**
 * One statement of a batch on one connection. It is prepared when it is first sent there, and its columns are asked for
 * with it: from then on it costs Bind and Execute, and the server says nothing of columns any more.
 */
export class Prepared {
  readonly #statement: BatchStatement;
  readonly #rows: Record<string, unknown>[] = [];
  #shapes: Map<string, Shape> | null = null;
  #shape: Shape | null = null;
  #answer: BatchAnswer | null = null;
  /** A parser has refused a value: the statement ran, and its answer is of no use. */
  #unreadable: { readonly error: unknown } | null = null;

  constructor(statement: BatchStatement) {
    this.#statement = statement;
  }

  get name(): string {
    return this.#statement.name;
  }

  get text(): string {
    return this.#statement.text;
  }

  /** Null: it was not answered. */
  get answer(): BatchAnswer | null {
    return this.#answer;
  }

  /** False: the driver refuses it, and nothing of it was sent. */
  send(wire: Wire): boolean {
    const { name, text, values } = this.#statement;
    const known = wire.parsedStatements[name] ?? wire.submittedNamedStatements[name];
    let mapped: unknown[];
    try {
      if (known !== undefined && known !== text) {
        throw new Error(`the name ${name} is used for another statement`);
      }
      mapped = values.map((value) => prepareValue(value));
    } catch (error) {
      this.#answer = { ok: false, error };
      return false;
    }
    this.#shapes = shapesOf(wire);
    if (known === undefined) {
      wire.parse({ name, text });
      wire.submittedNamedStatements[name] = text;
      this.#shapes.delete(name);
    }
    wire.bind({ statement: name, values: mapped });
    this.#shape = this.#shapes.get(name) ?? null;
    if (this.#shape === null) wire.describe({ type: "P", name: "" });
    wire.execute({});
    return true;
  }

  described({ fields }: RowDescription, types: Types): void {
    const names = fields.map(({ name }) => name);
    this.#learn({
      names,
      parsers: fields.map(({ dataTypeID }) => types.getTypeParser(dataTypeID, "text")),
      empty: Object.fromEntries(names.map((name) => [name, null])),
    });
  }

  row(values: readonly (string | null)[]): void {
    if (this.#unreadable !== null) return;
    const { names, parsers, empty } = this.#shape ?? noRows;
    const row: Record<string, unknown> = { ...empty };
    try {
      if (values.length !== names.length) throw new ColumnsChanged(this.name);
      for (const [at, name] of names.entries()) {
        const value = values[at] ?? null;
        if (value !== null) row[name] = parsers[at]?.(value);
      }
      this.#rows.push(row);
    } catch (error) {
      this.#unreadable = { error };
    }
  }

  complete(tag: string): void {
    if (this.#shape === null) this.#learn(noRows);
    const command = tag.split(" ", 1)[0] ?? "";
    this.#answer =
      this.#unreadable === null
        ? { ok: true, result: { rows: this.#rows, command } }
        : { ok: false, error: this.#unreadable.error };
  }

  /** What failed, or was skipped behind what failed, may not be prepared on the server. */
  forget(wire: Wire): void {
    delete wire.submittedNamedStatements[this.name];
  }

  #learn(shape: Shape): void {
    this.#shape = shape;
    this.#shapes?.set(this.name, shape);
  }
}

function shapesOf(wire: Wire): Map<string, Shape> {
  let known = shapes.get(wire);
  if (known === undefined) shapes.set(wire, (known = new Map<string, Shape>()));
  return known;
}
