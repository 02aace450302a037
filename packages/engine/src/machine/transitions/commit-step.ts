import type { NewMessage } from "../../domain/rows.ts";
import { TransitionRejected } from "../../domain/errors.ts";
import { insertExecutions, type NewExecution } from "../../store/executions.ts";
import { transition } from "../transition.ts";

export interface CommitStep {
  /** At least one: what the step produced. */
  readonly messages: readonly NewMessage[];
  /** Ledger rows for the calls of an assistant message in `messages` that Parley or a client runs. */
  readonly executions?: readonly NewExecution[];
}

/** Commits what a step produced; the turn goes on. */
export const commitStep = transition<CommitStep, void>("commitStep", async (bundle, input) => {
  if (input.messages.length === 0) {
    throw new TransitionRejected("commitStep", bundle.state, "a step commits at least one message");
  }
  for (const message of input.messages) {
    const row = await bundle.insert(message);
    const executions = message.role === "assistant" ? (input.executions ?? []) : [];
    if (executions.length > 0) await insertExecutions(bundle.tx, bundle.chatId, row.id, executions);
  }
});
