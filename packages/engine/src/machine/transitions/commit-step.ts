import type { ToolResultPart } from "@parley/protocol";
import { TransitionRejected } from "../../domain/errors.ts";
import type { MessageRow, NewMessage } from "../../domain/rows.ts";
import { assert } from "../../lib/assert.ts";
import { finishExecutions, insertExecutions, type NewExecution } from "../../store/executions.ts";
import type { Bundle } from "../bundle.ts";
import { transition } from "../transition.ts";

export interface CommitStep {
  /** At least one: what the step produced. */
  readonly messages: readonly NewMessage[];
  /** Ledger rows for the calls of the assistant message in `messages` that Parley or a client runs. */
  readonly executions?: readonly NewExecution[];
}

/**
 * Commits what a step produced; the turn goes on. Rows of the ledger that are still open for calls answered here are
 * finished with these results. Gives the messages inserted.
 */
export const commitStep = transition<CommitStep, MessageRow[]>(
  "commitStep",
  async (bundle, { messages, executions = [] }) => {
    if (messages.length === 0) {
      throw new TransitionRejected(
        "commitStep",
        bundle.state,
        "a step commits at least one message",
      );
    }
    const rows = await Promise.all(messages.map((message) => bundle.insert(message)));
    await record(bundle, rows, executions);
    const results = messages.flatMap(resultsOf);
    if (results.length > 0) await finishExecutions(bundle.tx, bundle.chatId, results);
    // A boundary is what a request for compaction had asked for.
    if (bundle.flags.compaction_requested_at !== null && rows.some((row) => row.is_boundary)) {
      await bundle.set({ compaction_requested_at: null, compact_only: false });
    }
    return rows;
  },
);

async function record(
  bundle: Bundle,
  rows: readonly MessageRow[],
  executions: readonly NewExecution[],
): Promise<void> {
  if (executions.length === 0) return;
  const [caller, other] = rows.filter((row) => row.role === "assistant");
  assert(caller !== undefined && other === undefined, "executions belong to one assistant message");
  const calls = caller.parts.filter((part) => part.type === "tool-call" && !part.provider_executed);
  const numbered = executions.map((execution) => {
    const ordinal = calls.findIndex(
      (part) => part.type === "tool-call" && part.tool_call_id === execution.tool_call_id,
    );
    assert(ordinal !== -1, `no call ${execution.tool_call_id} in the message`);
    return { ...execution, ordinal };
  });
  await insertExecutions(bundle.tx, bundle.chatId, caller.id, numbered);
}

function resultsOf(message: NewMessage): ToolResultPart[] {
  if (message.role !== "tool") return [];
  return message.parts.filter((part) => part.type === "tool-result");
}
