import { closedState, closingResult, type ClosingReason } from "../../domain/closing.ts";
import type { TrackedCall } from "../../domain/rows.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { settleExecutions } from "../../store/executions.ts";

/**
 * Writes into the ledger what becomes of calls that are answered without having a result: a call that was started has an
 * unknown outcome from now on. To be called before the answers are committed, which would close the rows as finished.
 */
export async function settleClosed(
  bundle: Bundle,
  calls: readonly TrackedCall[],
  reason: ClosingReason,
): Promise<void> {
  const settled = calls.flatMap((call) => {
    const { execution } = call;
    if (execution === null || closedState(execution.state) === execution.state) return [];
    const { output } = closingResult(call, reason);
    return [{ id: execution.id, state: closedState(execution.state), output }];
  });
  if (settled.length > 0) await settleExecutions(bundle.tx, bundle.chatId, settled);
}
