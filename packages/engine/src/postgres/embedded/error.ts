import { ParleyError } from "../../lib/errors.ts";

export type EmbeddedFailure =
  | "unsupported_platform"
  | "missing_package"
  | "musl"
  | "not_runnable"
  | "permission"
  | "path_too_long"
  | "disk_full"
  | "other_major_version"
  | "locked"
  | "did_not_start";

const otherwise =
  "Or use a PostgreSQL server of your own (15 or newer): set PARLEY_DATABASE_URL=postgres://user:password@host/database.";

/** The embedded database cannot be had; the message says what to do about it. */
export class EmbeddedUnavailable extends ParleyError {
  readonly failure: EmbeddedFailure;

  constructor(
    failure: EmbeddedFailure,
    message: string,
    options: { details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super("embedded_database", `${message}\n${otherwise}`, {
      ...options,
      details: { failure, ...options.details },
    });
    this.failure = failure;
  }
}
