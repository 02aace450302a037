import type { Approvals, ChatAnswer } from "@parley/protocol";
import { ToolResultMismatch } from "../../domain/errors.ts";
import { chatOf } from "../../domain/representation.ts";
import { findRecordedDecisions } from "../../machine/recorded.ts";
import { decideApproval } from "../../machine/transitions/decide-approval.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { decide, requestKey, type Answer } from "./once.ts";
import { newOnes } from "./recorded-before.ts";

/** Decisions about tool calls. The first one for a call wins; one that equals it is answered with the current state. */
export async function approvalsCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  body: Approvals,
  headerKey: string | undefined,
): Promise<Answer<ChatAnswer>> {
  const id = await context.access.require(caller, chatId);
  const decisions = body.decisions.map(({ tool_call_id, decision, reason }) => ({
    tool_call_id,
    decision,
    ...(reason === undefined ? {} : { reason }),
  }));
  const key = requestKey(caller, id, headerKey, ["approvals", id, decisions]);
  return await decide(context.machine, id, key, "http.approvals", async (chat, transaction) => {
    const fresh = await newOnes(
      decisions,
      (some) => findRecordedDecisions(transaction.tx, id, some),
      (ids) => new ToolResultMismatch("another decision is recorded", ids),
    );
    if (fresh.length === 0) return { status: 200, body: { chat: chatOf(chat) } };
    return await transaction.update(
      id,
      async (bundle) => {
        await decideApproval(bundle, { decisions: fresh, decided_by: caller.principalId });
        await bundle.refresh();
        return { status: 200, body: { chat: chatOf(bundle.chat) } };
      },
      { acquire: true },
    );
  });
}
