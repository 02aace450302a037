import type { MessageRow, TrackedCall } from "./rows.ts";

export type NextStep =
  | "run_tools"
  | "require_action"
  | "promote_steering"
  | "compact"
  | "call_model"
  | "finish";

export interface Situation {
  /** The context, oldest first; only the newest message that a model may see matters, so one is enough. */
  readonly messages: readonly Pick<
    MessageRow,
    "role" | "visibility" | "finish_reason" | "is_boundary"
  >[];
  /** Calls in active history without a result, with their rows in the ledger. */
  readonly calls: readonly TrackedCall[];
  /** A steering message is queued. */
  readonly steering: boolean;
  /** Compaction was asked for, or is needed. */
  readonly compaction: boolean;
  /** It was asked for from an idle chat: there is no turn to go on with. */
  readonly compactOnly?: boolean;
}

/** What a running chat does next (docs/spec.md, section 8). */
export function nextStep(situation: Situation): NextStep {
  const { calls } = situation;
  if (calls.some((call) => !isPending(call))) return "run_tools";
  if (calls.length > 0) return "require_action";
  // Steering must not start a turn that nobody asked for: the boundary's bundle takes it in, and then it is answered.
  if (situation.compaction && situation.compactOnly) return "compact";
  if (situation.steering) return "promote_steering";
  if (situation.compaction) return "compact";
  return modelOwesReply(situation.messages) ? "call_model" : "finish";
}

/** The call waits for somebody outside: a client's result, or a decision. */
export function isPending({ execution }: TrackedCall): boolean {
  return execution !== null && (awaitsApproval(execution) || awaitsClient(execution));
}

/** No one has decided yet. */
export function awaitsApproval(execution: NonNullable<TrackedCall["execution"]>): boolean {
  return execution.needs_approval && execution.state === "intent";
}

/** Nothing but the client's result is missing. */
export function awaitsClient(execution: NonNullable<TrackedCall["execution"]>): boolean {
  if (execution.kind !== "client") return false;
  return (
    execution.state === "approved" || (execution.state === "intent" && !execution.needs_approval)
  );
}

/** The newest message that the model may see is not a complete assistant message. */
function modelOwesReply(messages: Situation["messages"]): boolean {
  const last = messages.findLast(
    (message) => message.visibility !== "user" && !message.is_boundary,
  );
  if (last === undefined) return false;
  return last.role !== "assistant" || last.finish_reason === "pause";
}
