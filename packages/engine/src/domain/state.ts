import type { Status } from "@parley/protocol";

/** The execution states of section 4: computed from the row, never stored. */
export const states = [
  "N",
  "W",
  "E0",
  "E1",
  "R0",
  "R1",
  "I0",
  "I1",
  "A0",
  "A1",
  "XW",
  "XE0",
  "XE1",
  "Invalid",
] as const;

export type State = (typeof states)[number];

/** What a state is computed from; null where the chat does not exist. */
export interface StateInputs {
  readonly status: Status;
  readonly queue_length: number;
  readonly archived: boolean;
}

const live: Record<Status, readonly [State, State]> = {
  waiting: ["W", "Invalid"],
  error: ["E0", "E1"],
  running: ["R0", "R1"],
  interrupting: ["I0", "I1"],
  requires_action: ["A0", "A1"],
};

const archived: Record<Status, readonly [State, State]> = {
  waiting: ["XW", "Invalid"],
  error: ["XE0", "XE1"],
  running: ["Invalid", "Invalid"],
  interrupting: ["Invalid", "Invalid"],
  requires_action: ["Invalid", "Invalid"],
};

/** The execution state of a row. */
export function stateOf(row: StateInputs | null): State {
  if (row === null) return "N";
  const pair = (row.archived ? archived : live)[row.status];
  return row.queue_length === 0 ? pair[0] : pair[1];
}

const runnable: ReadonlySet<State> = new Set(["R0", "R1", "I0", "I1", "A0", "A1"]);

/** A worker has something to do, now or at a deadline. */
export function isRunnable(row: StateInputs): boolean {
  return runnable.has(stateOf(row));
}
