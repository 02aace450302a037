import type { Parser } from "./parsers.ts";

/** What a default may depend on. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly homeDir: string;
}

/** One row of the table: everything that is said about a setting is said here, once. */
export interface Setting<T> {
  /** Heading in the documents and in `--help`. */
  readonly section: Section;
  readonly env: string;
  /** Other variables that mean the same; the first that is set counts. */
  readonly aliases?: readonly string[];
  /** `port` for `--port`. Secrets have none: command lines are visible to everyone on the machine. */
  readonly flag?: string;
  readonly parser: Parser<T>;
  readonly default: T | ((surroundings: Surroundings) => T);
  /** How the documents write a default that depends on the machine, or that is "none". */
  readonly defaultText?: string;
  readonly description: string;
  /** Never printed, logged or suggested from. */
  readonly secret?: boolean;
}

export type Section =
  | "Server"
  | "Between servers"
  | "Database"
  | "Models"
  | "Spending"
  | "Work"
  | "Streams"
  | "Limits"
  | "Logs";

/** A setting that always has a value. */
export function setting<const T>(row: Setting<T>): Setting<T> {
  return row;
}

/** A setting that may be left out: its value is null then. */
export function optional<T>(row: Omit<Setting<T>, "default" | "parser"> & { parser: Parser<T> }) {
  const { parser } = row;
  const withNull: Parser<T | null> = {
    accepts: parser.accepts,
    parse: (value) => parser.parse(value),
    format: (value) => (value === null ? "" : parser.format(value)),
  };
  const whole: Setting<T | null> = { defaultText: "none", ...row, parser: withNull, default: null };
  return whole;
}
