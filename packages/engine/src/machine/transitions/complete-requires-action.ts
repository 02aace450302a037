import type { Json } from "@parley/protocol";
import { resultPart } from "../../domain/closing.ts";
import { ToolResultMismatch } from "../../domain/errors.ts";
import { awaitsClient } from "../../domain/next-step.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { settlePending } from "../../store/chats.ts";
import { finishExecutions, readTrackedCalls } from "../../store/executions.ts";
import { transition } from "../transition.ts";

export interface ToolResult {
  readonly tool_call_id: string;
  readonly output: Json;
  readonly is_error: boolean;
}

export interface CompleteRequiresAction {
  /** Any of the client calls that wait, once each. */
  readonly results: readonly ToolResult[];
  readonly submitted_by: string | null;
}

/** Commits results of client tools; the chat runs again when nothing is pending any more. Gives the tool message. */
export const completeRequiresAction = transition<CompleteRequiresAction, MessageRow>(
  "completeRequiresAction",
  async (bundle, { results, submitted_by }) => {
    const { tx, chatId } = bundle;
    const given = new Map(results.map((result) => [result.tool_call_id, result]));
    const ids = results.map((result) => result.tool_call_id);
    if (given.size !== results.length || given.size === 0) {
      throw new ToolResultMismatch("one result for each call, and at least one", ids);
    }
    const calls = (await readTrackedCalls(tx, chatId)).filter(
      ({ execution, tool_call_id }) =>
        execution !== null && awaitsClient(execution) && given.has(tool_call_id),
    );
    if (calls.length !== given.size) {
      const waiting = new Set(calls.map((call) => call.tool_call_id));
      const strangers = ids.filter((id) => !waiting.has(id));
      throw new ToolResultMismatch("no client's result is waited for", strangers);
    }
    const parts = calls.map((call) => {
      const { output, is_error } = given.get(call.tool_call_id) as ToolResult;
      return resultPart(call, output, is_error);
    });
    const [row] = await Promise.all([
      bundle.insert({ role: "tool", parts, created_by: submitted_by }),
      finishExecutions(bundle.tx, chatId, results),
    ]);
    bundle.adopt(await settlePending(bundle.atSnapshot(), chatId));
    return row;
  },
);
