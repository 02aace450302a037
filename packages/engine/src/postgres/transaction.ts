import type { BatchAnswer, BatchStatement } from "./batch.ts";
import {
  CommitRefused,
  CommitUnknown,
  DatabaseUnavailable,
  isStalePlan,
  isStandbyRefusal,
} from "./errors.ts";
import { commitStatement, OpenTransaction } from "./open-transaction.ts";
import type { Session } from "./session.ts";
import type { Statement, WriteTx } from "./sql.ts";
import type { Stats } from "./stats.ts";

export type TransactionKind = "read" | "write";

/** A transaction that nobody drives holds locks: its session is ended. No transaction of ours waits for anything else. */
const idleInTransactionMs = 15_000;

const beginKinds: Record<TransactionKind, string> = {
  read: "begin isolation level repeatable read read only",
  write: "begin isolation level read committed read write",
};

/** BEGIN and the limits. Local to the transaction: a pooler may give the session to others after it. */
export function beginStatements(
  kind: TransactionKind,
  statementTimeoutMs: number,
  lockTimeoutMs: number,
): readonly BatchStatement[] {
  return [
    { name: `transaction.begin_${kind}`, text: beginKinds[kind], values: [] },
    {
      name: "transaction.limits",
      text: `select set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true),
               set_config('idle_in_transaction_session_timeout', $3, true)`,
      values: [String(statementTimeoutMs), String(lockTimeoutMs), String(idleInTransactionMs)],
    },
  ];
}

/** "unused": the connection was found broken, or its statements stale, before anything that lasts ran on it. */
export type Outcome<T> = { value: T } | "unused";

export async function runTransaction<T>(
  session: Session,
  kind: TransactionKind,
  begin: readonly BatchStatement[],
  fn: (tx: WriteTx) => Promise<T>,
  operation: string,
  stats: Stats,
): Promise<Outcome<T>> {
  const tx = new OpenTransaction(session, begin, operation, stats);
  let value: T;
  try {
    value = await fn(tx.sql);
  } catch (error) {
    tx.abandon(error);
    if (!tx.isSent) throw error;
    if (!tx.isBegun && wasBroken(error)) return "unused";
    await rollback(session, operation, stats);
    throw isStandbyRefusal(tx.beginError)
      ? new DatabaseUnavailable("standby", tx.beginError)
      : tx.causeOf(error);
  }
  const answer = await tx.commit();
  if (!answer.ok) {
    if (answer.error instanceof DatabaseUnavailable) throw new CommitUnknown(answer.error);
    await rollback(session, operation, stats);
    throw isStandbyRefusal(tx.beginError)
      ? new DatabaseUnavailable("standby", tx.beginError)
      : tx.causeOf(answer.error);
  }
  if (answer.result.command !== "COMMIT") throw new CommitRefused(answer.result.command);
  stats.add(operation, kind === "read" ? "reads" : "writes");
  return { value };
}

/** BEGIN, one reading statement and COMMIT, in one round trip. */
export async function readOnce<R>(
  session: Session,
  begin: readonly BatchStatement[],
  { name, text, values = [] }: Statement,
  operation: string,
  stats: Stats,
): Promise<Outcome<R[]>> {
  stats.add(operation, "statements");
  const answers = await session.sendBatch(operation, [
    ...begin,
    { name, text, values: [...values] },
    commitStatement,
  ]);
  const bad = answers.find((answer) => !answer.ok);
  if (bad !== undefined) {
    if (wasBroken(bad.error)) return "unused";
    await rollback(session, operation, stats);
    if (isStalePlan(bad.error)) return "unused";
    throw bad.error;
  }
  stats.add(operation, "singles");
  return { value: rowsOf<R>(answers[begin.length]) };
}

function rowsOf<R>(answer: BatchAnswer | undefined): R[] {
  return answer?.ok === true ? (answer.result.rows as R[]) : [];
}

/** Found broken, which costs nothing. Not so one that was silent: to wait for the next in the same way helps nobody. */
function wasBroken(error: unknown): boolean {
  return error instanceof DatabaseUnavailable && error.reason === "lost";
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
