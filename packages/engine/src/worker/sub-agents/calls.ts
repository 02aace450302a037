import type { ChatRow } from "../../domain/rows.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Transaction } from "../../machine/transaction.ts";
import type { Database } from "../../postgres/database.ts";
import type { Sql } from "../../postgres/sql.ts";
import { isCallOpen } from "../../store/family.ts";
import type { AgentCall } from "../../tools/sub-agents/port.ts";
import type { TaskServices } from "../tasks/context.ts";
import { patiently } from "../tasks/patiently.ts";

export type CallDeps = Pick<TaskServices, "clock" | "random" | "observer"> & {
  readonly machine: Machine;
  readonly database: Database;
};

/** What the model is told of a call that was not done. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/**
 * Runs `fn` in one transaction that holds the lock of the chat that called, while the call is open in the ledger: a
 * runner that was replaced, or whose turn was stopped, changes nothing any more.
 */
export async function change<T>(
  deps: CallDeps,
  call: AgentCall,
  operation: string,
  fn: (parent: ChatRow, transaction: Transaction) => Promise<T>,
): Promise<T> {
  const { chatId, signal } = call;
  return await patiently({ ...deps, chatId, signal }, operation, () =>
    deps.machine.lock(
      chatId,
      async (parent, transaction) => {
        if (!(await isCallOpen(transaction.tx, parent.id, call.idempotencyKey))) {
          throw new Refused("The call was stopped.");
        }
        return await fn(parent, transaction);
      },
      operation,
    ),
  );
}

/** Single statements, each on its own. */
export async function read<T>(
  deps: CallDeps,
  call: AgentCall,
  operation: string,
  fn: (sql: Pick<Sql, "query">) => Promise<T>,
): Promise<T> {
  const { chatId, signal } = call;
  const sql: Pick<Sql, "query"> = {
    query: async <R>(statement: Parameters<Sql["query"]>[0]) =>
      await deps.database.one<R>(statement, { operation }),
  };
  return await patiently({ ...deps, chatId, signal }, operation, () => fn(sql));
}
