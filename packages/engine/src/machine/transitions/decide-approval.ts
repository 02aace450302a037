import { deniedText, resultPart } from "../../domain/closing.ts";
import { ToolResultMismatch } from "../../domain/errors.ts";
import { awaitsApproval } from "../../domain/next-step.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { settlePending } from "../../store/chats.ts";
import { decideExecutions, readTrackedCalls, type Decision } from "../../store/executions.ts";
import { transition } from "../transition.ts";

export interface DecideApproval {
  /** Any of the approvals that are undecided, once each. */
  readonly decisions: readonly Decision[];
  readonly decided_by: string;
}

/**
 * Records decisions; the first one for a call wins. A denied call is answered at once, an approved one is run by the
 * next generation, and the chat runs again when nothing is pending. Gives the message that answers the denied ones.
 */
export const decideApproval = transition<DecideApproval, MessageRow | null>(
  "decideApproval",
  async (bundle, { decisions, decided_by }) => {
    const { tx, chatId } = bundle;
    const given = new Map(decisions.map((decision) => [decision.tool_call_id, decision]));
    const ids = decisions.map((decision) => decision.tool_call_id);
    if (given.size !== decisions.length || given.size === 0) {
      throw new ToolResultMismatch("one decision for each call, and at least one", ids);
    }
    const calls = (await readTrackedCalls(tx, chatId)).filter(
      ({ execution, tool_call_id }) =>
        execution !== null && awaitsApproval(execution) && given.has(tool_call_id),
    );
    if (calls.length !== given.size) {
      const waiting = new Set(calls.map((call) => call.tool_call_id));
      throw new ToolResultMismatch(
        "no decision is waited for",
        ids.filter((id) => !waiting.has(id)),
      );
    }
    const denied = calls.filter((call) => given.get(call.tool_call_id)?.decision === "deny");
    const textOf = (id: string): string => deniedText(given.get(id)?.reason ?? null);
    const parts = denied.map((call) => resultPart(call, textOf(call.tool_call_id), true));
    const told = decisions.map((decision) => ({
      ...decision,
      output: textOf(decision.tool_call_id),
    }));
    const [row] = await Promise.all([
      parts.length === 0 ? null : bundle.insert({ role: "tool", parts, created_by: decided_by }),
      decideExecutions(bundle.tx, chatId, decided_by, told),
    ]);
    bundle.adopt(await settlePending(bundle.atSnapshot(), chatId, true));
    return row;
  },
);
