import { assert } from "../lib/assert.ts";
import {
  CommitRefused,
  CommitUnknown,
  DatabaseUnavailable,
  isStalePlan,
  isStandbyRefusal,
  sqlState,
} from "./errors.ts";
import type { Session } from "./session.ts";
import type { Sql, Statement, WriteTx } from "./sql.ts";
import type { Stats } from "./stats.ts";

export type TransactionKind = "read" | "write";

/** A transaction that nobody drives holds locks: its session is ended. No transaction of ours waits for anything else. */
const idleInTransactionMs = 15_000;

const beginKinds: Record<TransactionKind, string> = {
  read: "begin isolation level repeatable read read only",
  write: "begin isolation level read committed read write",
};

/** BEGIN and the limits, as one message. Local to the transaction: a pooler may give the session to others after it. */
export function beginText(
  kind: TransactionKind,
  statementTimeoutMs: number,
  lockTimeoutMs: number,
): string {
  return (
    `${beginKinds[kind]}; set local statement_timeout = ${statementTimeoutMs}; ` +
    `set local lock_timeout = ${lockTimeoutMs}; ` +
    `set local idle_in_transaction_session_timeout = ${idleInTransactionMs}`
  );
}

/** "unused": the connection was found broken, or its statements stale, before anything ran on it. */
export type Outcome<T> = { value: T } | "unused";

export async function runTransaction<T>(
  session: Session,
  kind: TransactionKind,
  begin: string,
  fn: (tx: WriteTx) => Promise<T>,
  operation: string,
  stats: Stats,
): Promise<Outcome<T>> {
  // Awaited also where it could travel with the first statement: if BEGIN alone failed, that one would commit by itself.
  try {
    await session.send(operation, "begin", begin);
  } catch (error) {
    if (wasBroken(error)) return "unused";
    await rollback(session, operation, stats);
    throw isStandbyRefusal(error) ? new DatabaseUnavailable("standby", error) : error;
  }
  const tx = openTransaction(session, operation);
  let value: T;
  try {
    value = await fn(tx.sql);
  } catch (error) {
    tx.close();
    await rollback(session, operation, stats);
    throw sqlState(error) === abortedState ? (tx.firstError() ?? error) : error;
  }
  tx.close();
  await commit(session, operation);
  stats.add(operation, kind === "read" ? "reads" : "writes");
  return { value };
}

/**
 * BEGIN, one statement and COMMIT sent together. That the statement would run by itself if BEGIN failed does no
 * harm here: it only reads.
 */
export async function readOnce<R>(
  session: Session,
  begin: string,
  statement: Statement,
  operation: string,
  stats: Stats,
): Promise<Outcome<R[]>> {
  const [began, rows, ended] = await Promise.allSettled([
    session.send(operation, "begin", begin),
    session.sql(operation).query<R>(statement),
    session.send(operation, "commit", "commit"),
  ]);
  for (const result of [began, rows, ended]) {
    if (result.status === "fulfilled") continue;
    if (wasBroken(result.reason) || isStalePlan(result.reason)) return "unused";
    throw result.reason;
  }
  assert(rows.status === "fulfilled", "all three were fulfilled");
  stats.add(operation, "singles");
  return { value: rows.value };
}

/** Found broken, which costs nothing. Not so one that was silent: to wait for the next in the same way helps nobody. */
function wasBroken(error: unknown): boolean {
  return error instanceof DatabaseUnavailable && error.reason === "lost";
}

/** What statements answer that were sent together with one that failed: it says nothing of the cause. */
const abortedState = "25P02";

interface OpenTransaction {
  readonly sql: WriteTx;
  close(): void;
  /** What failed first, in the order in which the statements were sent. */
  firstError(): unknown;
}

/** The handle that `fn` gets; after the transaction it refuses to work, because the connection is somebody else's. */
function openTransaction(session: Session, operation: string): OpenTransaction {
  const inner = session.sql(operation);
  let open = true;
  let first: unknown;
  const noting = async <T>(sent: Promise<T>): Promise<T> => {
    try {
      return await sent;
    } catch (error) {
      first ??= error;
      throw error;
    }
  };
  const checked: Sql = {
    query: async (statement) => {
      assert(open, `statement ${statement.name} after the end of its transaction`);
      return noting(inner.query(statement));
    },
    exec: async (text) => {
      assert(open, "SQL after the end of its transaction");
      return noting(inner.exec(text));
    },
  };
  // The one place where the brand is given.
  return {
    sql: checked as WriteTx,
    close: () => void (open = false),
    firstError: () => first,
  };
}

async function commit(session: Session, operation: string): Promise<void> {
  let answer: string;
  try {
    answer = (await session.send(operation, "commit", "commit")).command;
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw new CommitUnknown(error);
    throw error;
  }
  if (answer !== "COMMIT") throw new CommitRefused(answer);
}

/** Never throws: the error that led here is the one to report. A connection on which it fails is lost. */
async function rollback(session: Session, operation: string, stats: Stats): Promise<void> {
  stats.add(operation, "rollbacks");
  if (session.lost) return;
  try {
    await session.send(operation, "rollback", "rollback");
  } catch (error) {
    session.giveUp(error);
  }
}
