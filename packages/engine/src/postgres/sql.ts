/** A named prepared statement. The name is its identity on a connection: one name, one text, for ever. */
export interface Statement {
  name: string;
  text: string;
  /** `jsonb` values are passed as JSON text: the driver would turn an array into a PostgreSQL array. */
  values?: readonly unknown[];
}

export interface Sql {
  /**
   * Runs one statement and gives its rows. int8 comes as a number (an error beyond 2^53), timestamptz as `Date`,
   * numeric as a string, jsonb parsed. Several calls without an await between them share one round trip.
   */
  query<R = Record<string, unknown>>(statement: Statement): Promise<R[]>;
  /** Runs SQL text without values, also several statements. For schema work; nothing is returned. */
  exec(text: string): Promise<void>;
}

declare const readBrand: unique symbol;
declare const writeBrand: unique symbol;

/** Inside a transaction that may read. Made by `Database.read` and `Database.write` only. */
export interface ReadTx extends Sql {
  readonly [readBrand]: true;
}

/** Inside a transaction that may write. What mutates takes this, and nothing else can be passed for it. */
export interface WriteTx extends ReadTx {
  /**
   * Runs one statement together with the next that is asked for, or with the COMMIT: for what nobody waits for. Whoever
   * awaits it before asking for another waits for ever.
   */
  queryWithNext<R = Record<string, unknown>>(statement: Statement): Promise<R[]>;
  /**
   * Runs one statement as the last of its transaction: it goes out with the COMMIT. What it gives comes when the
   * transaction is over: whoever awaits it inside waits for ever.
   */
  queryLast<R = Record<string, unknown>>(statement: Statement): Promise<R[]>;
  readonly [writeBrand]: true;
}
