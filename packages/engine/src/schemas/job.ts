/** What the checking thread is asked. */
export interface Job {
  readonly id: number;
  /** JSON Schema, as JSON. */
  readonly schema: string;
  /** The value that it shall accept, as JSON; null: is this a schema at all? */
  readonly value: string | null;
}

/** One thing that is wrong with a value: where, as a JSON pointer, and what. */
export interface SchemaError {
  readonly path: string;
  readonly message: string;
}

export type Verdict =
  | { readonly kind: "valid" }
  | { readonly kind: "invalid"; readonly errors: readonly SchemaError[] }
  /** Nothing can be said of any value by this schema. */
  | { readonly kind: "unusable"; readonly reason: string };

export interface Reply {
  readonly id: number;
  readonly verdict: Verdict;
}
