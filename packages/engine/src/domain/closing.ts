import type { ToolResultPart } from "@parley/protocol";
import { assertNever } from "../lib/assert.ts";
import type { ExecutionState, NewMessage, TrackedCall } from "./rows.ts";

/** Why calls are closed that nobody will answer any more. */
export type ClosingReason =
  | "cancelled"
  | "interrupted"
  | "expired"
  | "not_run"
  | "failed"
  | "cleared"
  | "forked"
  | "reconciled";

/**
 * The one tool message that answers the given calls, in call order: with the ledger's result where there is one, else
 * with what happened to the call. Null when there is nothing to answer.
 */
export function closingMessage(
  calls: readonly TrackedCall[],
  reason: ClosingReason,
): NewMessage | null {
  if (calls.length === 0) return null;
  return { role: "tool", parts: calls.map((call) => closingResult(call, reason)) };
}

export function closingResult(call: TrackedCall, reason: ClosingReason): ToolResultPart {
  const { execution } = call;
  if (execution?.result) {
    const { output, is_error } = execution.result;
    return resultPart(call, output as ToolResultPart["output"], is_error);
  }
  return resultPart(call, explanation(call, reason), true);
}

/** A result of the given call. */
export function resultPart(
  call: Pick<TrackedCall, "tool_call_id" | "tool_name">,
  output: ToolResultPart["output"],
  is_error: boolean,
): ToolResultPart {
  const { tool_call_id, tool_name } = call;
  return { type: "tool-result", tool_call_id, tool_name, output, is_error };
}

/** What the result of a denied call says. */
export function deniedText(reason: string | null): string {
  return reason ? `denied: ${reason}` : "denied: a person did not allow this call";
}

/** What is told of a call that may have had its effect, though nobody knows. */
export const unknownText =
  "outcome unknown: the call was started and its result was lost; it may or may not have had its effect";

/** What becomes of an open ledger row whose call is closed: only what was started may have had an effect. */
export function closedState(state: ExecutionState): ExecutionState {
  switch (state) {
    case "started":
      return "unknown";
    case "intent":
    case "approved":
      return "abandoned";
    case "denied":
    case "finished":
    case "unknown":
    case "abandoned":
      return state;
    default:
      return assertNever(state, "execution state");
  }
}

function explanation(call: TrackedCall, reason: ClosingReason): string {
  const { execution } = call;
  switch (execution?.state) {
    // Only a call that must not run twice is recorded as started before it runs: never say that it did not happen.
    case "started":
    case "unknown":
      return unknownText;
    case "denied":
      return deniedText(execution.decision_reason);
    case "intent":
      if (execution.needs_approval) return `not run: nobody approved it (${reasonTexts[reason]})`;
      break;
    default:
  }
  return reasonTexts[reason];
}

const reasonTexts: Record<ClosingReason, string> = {
  cancelled: "cancelled: the user went on before there was a result",
  interrupted: "cancelled: the user stopped the reply",
  expired: "timed out: no result came before the deadline",
  not_run: "not run: the reply was cut off",
  failed: "cancelled: the turn failed before there was a result",
  cleared: "cancelled: the context was cleared",
  forked: "not run: the chat was forked before there was a result",
  reconciled: "cancelled: the chat was repaired before there was a result",
};
