import {
  closedState,
  closingMessage,
  closingResult,
  type ClosingReason,
} from "../domain/closing.ts";
import type { MessageRow, TrackedCall } from "../domain/rows.ts";
import { readTrackedCalls, settleExecutions } from "../store/executions.ts";
import type { Bundle } from "./bundle.ts";

/**
 * Answers every open call of active history with one tool message, in call order: the ledger's result where there is
 * one, else what happened. Gives the message, or null when no call was open.
 */
export async function closeOpenCalls(
  bundle: Bundle,
  reason: ClosingReason,
): Promise<MessageRow | null> {
  return await closeCalls(bundle, await readTrackedCalls(bundle.tx, bundle.chatId), reason);
}

/** As `closeOpenCalls`, for calls that the caller has read. */
export async function closeCalls(
  bundle: Bundle,
  calls: readonly TrackedCall[],
  reason: ClosingReason,
): Promise<MessageRow | null> {
  const message = closingMessage(calls, reason);
  if (message === null) return null;
  // Sent together, inserted first: one round trip.
  const [row] = await Promise.all([bundle.insert(message), settleCalls(bundle, calls, reason)]);
  return row;
}

/**
 * Writes into the ledger what becomes of calls that are answered without a result of their own: a call that was started has
 * an unknown outcome from now on. To be called before answers are committed in another way, which would close the rows
 * as finished.
 */
export async function settleCalls(
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
