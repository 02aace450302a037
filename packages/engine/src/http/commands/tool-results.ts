import type { ToolResults, ToolResultsAnswer } from "@parley/protocol";
import { ToolResultMismatch } from "../../domain/errors.ts";
import { chatOf, messagesOf } from "../../domain/representation.ts";
import { findRecordedResults } from "../../machine/recorded.ts";
import { completeRequiresAction } from "../../machine/transitions/complete-requires-action.ts";
import { readAnswersTo } from "../../store/outcomes.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { decide, requestKey, type Answer } from "./once.ts";
import { newOnes } from "./recorded-before.ts";

/** Results of client tools. What is recorded already, and the same, is answered with the current state. */
export async function toolResultsCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  body: ToolResults,
  headerKey: string | undefined,
): Promise<Answer<ToolResultsAnswer>> {
  const id = await context.access.require(caller, chatId);
  const results = body.results.map((result) => ({
    ...result,
    is_error: result.is_error ?? false,
  }));
  const key = requestKey(caller, id, headerKey, ["toolResults", id, results]);
  return await decide(context.machine, id, key, "http.tool_results", async (chat, transaction) => {
    const fresh = await newOnes(
      results,
      (some) => findRecordedResults(transaction.tx, id, some),
      (ids) => new ToolResultMismatch("another result is recorded", ids),
    );
    if (fresh.length === 0) {
      const ids = results.map((result) => result.tool_call_id);
      const messages = await readAnswersTo(transaction.tx, id, ids);
      return { status: 200, body: { chat: chatOf(chat), messages: messagesOf(messages) } };
    }
    return await transaction.update(
      id,
      async (bundle) => {
        const message = await completeRequiresAction(bundle, {
          results: fresh,
          submitted_by: caller.principalId,
        });
        await bundle.refresh();
        const body = { chat: chatOf(bundle.chat), messages: messagesOf([message]) };
        return { status: 200, body };
      },
      { acquire: true },
    );
  });
}
