import { causes, ParleyError } from "../lib/errors.ts";

/** A statement was answered with an error. `cause` is the driver's error; its `detail` may hold row data. */
export class StatementFailed extends ParleyError {
  readonly sqlState: string;
  readonly constraint: string | undefined;

  constructor(statement: string, cause: SqlStateError) {
    super("statement_failed", `statement ${statement} failed: ${cause.message}`, {
      details: { statement, sqlState: cause.code, constraint: cause.constraint },
      cause,
    });
    this.sqlState = cause.code;
    this.constraint = cause.constraint;
  }
}

/** No connection, or it broke. Nothing of the transaction was committed. */
export class DatabaseUnavailable extends ParleyError {
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason, cause?: unknown) {
    super("database_unavailable", unavailableMessages[reason], { details: { reason }, cause });
    this.reason = reason;
  }

  /** For an error met while connecting: out of reach, or answered with a refusal that time will not mend. */
  static connecting(cause: unknown): DatabaseUnavailable {
    const state = sqlState(cause) ?? "";
    const refused = state.startsWith("28") || state === "3D000" || state === "42501";
    return new DatabaseUnavailable(refused ? "refused" : "connect", cause);
  }
}

export type UnavailableReason =
  | "connect"
  | "refused"
  | "lost"
  | "silent"
  | "standby"
  | "pool"
  | "closed";

const unavailableMessages: Record<UnavailableReason, string> = {
  connect: "the database cannot be reached",
  refused: "the database refuses the connection (user, password or database name)",
  lost: "the connection to the database broke",
  silent: "the database does not answer",
  standby: "the database is a standby, which takes no writes before it is promoted",
  pool: "no database connection became free in time",
  closed: "the database handle is closed",
};

/** COMMIT was sent and its answer was lost: the transaction may or may not be in force. */
export class CommitUnknown extends ParleyError {
  constructor(cause: unknown) {
    super("commit_unknown", "the connection broke after COMMIT was sent: perhaps committed", {
      cause,
    });
  }
}

/** COMMIT was answered with something else: an error inside the transaction was swallowed, nothing is in force. */
export class CommitRefused extends ParleyError {
  constructor(answer: string) {
    super("commit_refused", `COMMIT was answered with ${answer}: nothing was committed`, {
      details: { answer },
    });
  }
}

/** An error that carries an SQLSTATE, as the server sends it. */
export interface SqlStateError extends Error {
  code: string;
  severity?: string | undefined;
  constraint?: string | undefined;
  /** The server's function that raised it: a name, where the message is in somebody's language. */
  routine?: string | undefined;
}

const sqlStatePattern = /^[0-9A-Z]{5}$/;

/** The driver's own error for an ErrorResponse of the server; its connection errors are not one. */
export function isSqlStateError(error: unknown): error is SqlStateError {
  return (
    error instanceof Error &&
    "severity" in error &&
    "code" in error &&
    typeof error.code === "string" &&
    sqlStatePattern.test(error.code)
  );
}

/** The SQLSTATE at the bottom of the error, however it is wrapped. */
export function sqlState(error: unknown): string | undefined {
  return causes(error).find(isSqlStateError)?.code;
}

/** Whether the error says that this unique constraint (any, if none is named) is violated. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const cause = causes(error).find(isSqlStateError);
  return cause?.code === "23505" && (constraint === undefined || cause.constraint === constraint);
}

/** Deadlock, serialization failure and a table that was altered: the whole transaction is tried again. */
export function isRetryableInTransaction(error: unknown): boolean {
  const state = sqlState(error);
  return state === "40001" || state === "40P01" || isStalePlan(error);
}

const featureNotSupported = "0A000";

/** BEGIN READ WRITE was answered like this by a server in recovery; there is no other reason for it. */
export function isStandbyRefusal(error: unknown): boolean {
  return sqlState(error) === featureNotSupported;
}

/**
 * A statement was prepared before a column was added to its table, by the migrations of a newer version say. It works
 * when it is prepared anew, on another connection.
 */
export function isStalePlan(error: unknown): boolean {
  const cause = causes(error).find(isSqlStateError);
  return cause?.code === featureNotSupported && cause.routine === "RevalidateCachedQuery";
}

/**
 * A pooler has prepared a statement anew, on a server connection that never saw it, after its table was altered: the
 * driver says then what the server says where it notices itself.
 */
export class ColumnsChanged extends Error {
  readonly severity = "ERROR";
  readonly code = featureNotSupported;
  readonly routine = "RevalidateCachedQuery";

  constructor(statement: string) {
    super(`the columns of ${statement} have changed since it was prepared`);
  }
}

/** What goes away by itself: see PostgreSQL's appendix "Error Codes". */
const transientStates = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "53100", // disk_full: an operator makes room
  "53200", // out_of_memory
  "53300", // too_many_connections
  "55P03", // lock_not_available
  "57014", // query_canceled: the statement timeout
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now: starting, stopping, recovering
  "57P05", // idle_session_timeout
  "25006", // read_only_sql_transaction: a standby that is about to be promoted
  "25P03", // idle_in_transaction_session_timeout
]);

/** After one of these severities the server has closed the session. */
const fatalSeverities = new Set(["FATAL", "PANIC"]);

/** Whether the server ended the session with this error. */
export function isFatal(error: unknown): boolean {
  return isSqlStateError(error) && fatalSeverities.has(error.severity ?? "");
}

/**
 * Whether trying again later may help with nothing changed. True for a lost commit answer too: whoever retries
 * that one must look first at what is there (the fence of a bundle does).
 */
export function isTransient(error: unknown): boolean {
  return causes(error).some(
    (e) =>
      (e instanceof DatabaseUnavailable && e.reason !== "refused") ||
      e instanceof CommitUnknown ||
      (isSqlStateError(e) && (transientStates.has(e.code) || e.code.startsWith("08"))),
  );
}
