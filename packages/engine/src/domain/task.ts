import { assertNever } from "../lib/assert.ts";
import type { ChatRow } from "./rows.ts";
import { stateOf } from "./state.ts";

/** What a row calls for (docs/spec.md, section 5). */
export type TaskKind = "abandon" | "generation" | "interruption" | "deadline";

export function taskFor(row: ChatRow): TaskKind {
  const state = stateOf(row);
  switch (state) {
    case "R0":
    case "R1":
      return "generation";
    case "I0":
    case "I1":
      return "interruption";
    case "A0":
    case "A1":
      return "deadline";
    case "N":
    case "W":
    case "E0":
    case "E1":
    case "XW":
    case "XE0":
    case "XE1":
    case "Invalid":
      return "abandon";
    default:
      return assertNever(state, "state");
  }
}

/** What a worker's write is checked against, under the row lock. */
export interface Fence {
  readonly runner_id: string;
  readonly status: ChatRow["status"];
  readonly history_version: number;
}

export function fenceOf(row: ChatRow, runnerId: string): Fence {
  return { runner_id: runnerId, status: row.status, history_version: row.history_version };
}

export function fenceHolds(row: ChatRow, fence: Fence): boolean {
  return (
    row.runner_id === fence.runner_id &&
    row.status === fence.status &&
    row.history_version === fence.history_version &&
    !row.archived
  );
}
