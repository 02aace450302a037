import type { BudgetScope, BudgetUnit, ErrorKind } from "@parley/protocol";
import type { ChatRow } from "../domain/rows.ts";

export type StepKind = "model" | "tools" | "compaction";

/** How a turn left its runner. */
export type TurnOutcome = "finished" | "next_message" | "requires_action" | "interrupted" | "error";

/** What happens in a worker, for metrics and traces. Called synchronously; must not throw. */
export interface WorkerObserver {
  acquired(chat: ChatRow, how: "with_commit" | "search" | "takeover"): void;
  released(chatId: string): void;
  stepStarted(chat: ChatRow, kind: StepKind): void;
  stepEnded(chat: ChatRow, kind: StepKind, durationMs: number): void;
  /** The model has said the first of its reply, so long after the step began. */
  firstPart(chat: ChatRow, durationMs: number): void;
  /** A failed attempt will be tried again. */
  /** `chat.model` is the one that failed, whatever was asked for. */
  retry(chat: ChatRow, kind: ErrorKind, delayMs: number): void;
  turnEnded(chat: ChatRow, outcome: TurnOutcome, error: ErrorKind | null): void;
  /** A budget had no room for a model call: its turn has ended. */
  budgetRefused(chat: ChatRow, scope: BudgetScope, unit: BudgetUnit): void;
  /** A task failed in a way that is not the model's: it runs again after a pause. */
  taskFailed(chatId: string, task: string, error: unknown): void;
  /** The audit mended something. */
  audited(chatId: string, finding: string): void;
}

const nothing = (): void => {};

export const silentObserver: WorkerObserver = {
  acquired: nothing,
  released: nothing,
  stepStarted: nothing,
  stepEnded: nothing,
  firstPart: nothing,
  retry: nothing,
  turnEnded: nothing,
  budgetRefused: nothing,
  taskFailed: nothing,
  audited: nothing,
};
