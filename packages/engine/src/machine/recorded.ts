import { isDeepStrictEqual } from "node:util";
import type { ExecutionRow } from "../domain/rows.ts";
import type { ReadTx, Sql } from "../postgres/sql.ts";
import { readExecutionsByCall, type Decision } from "../store/executions.ts";
import type { ToolResult } from "./transitions/complete-requires-action.ts";

/**
 * Whether everything submitted equals what is recorded (`same`: answer with the current state, from any state, without
 * a transition), something differs from what is recorded, or nothing contradicts but not all is recorded (`unknown`:
 * the transition decides).
 */
export type Recorded = "same" | "differs" | "unknown";

export async function findRecordedResults(
  tx: Sql | ReadTx,
  chatId: string,
  results: readonly ToolResult[],
): Promise<Recorded> {
  const ledger = await read(tx, chatId, results);
  return verdict(results, (result) => {
    const row = ledger.get(result.tool_call_id);
    if (row === undefined || row.result === null) return "unknown";
    const { output, is_error } = row.result;
    const same = row.state === "finished" && row.kind === "client";
    return same && is_error === result.is_error && isDeepStrictEqual(output, result.output)
      ? "same"
      : "differs";
  });
}

export async function findRecordedDecisions(
  tx: Sql | ReadTx,
  chatId: string,
  decisions: readonly Decision[],
): Promise<Recorded> {
  const ledger = await read(tx, chatId, decisions);
  return verdict(decisions, ({ tool_call_id, decision }) => {
    const row = ledger.get(tool_call_id);
    if (row === undefined || !row.needs_approval) return "unknown";
    if (row.decided_at === null) return row.state === "intent" ? "unknown" : "differs";
    return (row.state === "denied") === (decision === "deny") ? "same" : "differs";
  });
}

async function read(
  tx: Sql | ReadTx,
  chatId: string,
  items: readonly { readonly tool_call_id: string }[],
): Promise<Map<string, ExecutionRow>> {
  const ids = items.map((item) => item.tool_call_id);
  const rows = await readExecutionsByCall(tx, chatId, ids);
  // The newest first: it is the one that counts.
  return new Map(rows.toReversed().map((row) => [row.tool_call_id, row]));
}

function verdict<T>(items: readonly T[], judge: (item: T) => Recorded): Recorded {
  const verdicts = items.map(judge);
  if (verdicts.includes("differs")) return "differs";
  return verdicts.includes("unknown") ? "unknown" : "same";
}
