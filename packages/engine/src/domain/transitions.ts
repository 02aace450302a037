import type { State } from "./state.ts";

/**
 * The complete transition table (docs/spec.md, section 3): from which state, in which variant, each transition is
 * legal, and where it may land. What is not listed is refused and changes nothing. Production checks both ends of
 * every transition against it, and the tests are generated from it.
 */
export interface Row {
  readonly from: State;
  readonly to: readonly [State, ...State[]];
  readonly variant?: string;
}

export interface Transition {
  readonly by: "api" | "worker";
  readonly rows: readonly [Row, ...Row[]];
}

export const transitions = {
  createChat: {
    by: "api",
    rows: [{ from: "N", to: ["R0"] }],
  },
  setArchived: {
    by: "api",
    rows: [
      { from: "W", variant: "archived=true", to: ["XW"] },
      { from: "E0", variant: "archived=true", to: ["XE0"] },
      { from: "E1", variant: "archived=true", to: ["XE1"] },
      { from: "XW", variant: "archived=false", to: ["W"] },
      { from: "XE0", variant: "archived=false", to: ["E0"] },
      { from: "XE1", variant: "archived=false", to: ["E1"] },
    ],
  },
  sendMessage: {
    by: "api",
    rows: [
      { from: "W", variant: "reject", to: ["R0"] },
      { from: "E0", variant: "reject", to: ["R0"] },
      { from: "E1", variant: "reject", to: ["R1"] },
      { from: "W", variant: "steer", to: ["R0"] },
      { from: "E0", variant: "steer", to: ["R0"] },
      { from: "E1", variant: "steer", to: ["R1"] },
      { from: "R0", variant: "steer", to: ["R1"] },
      { from: "R1", variant: "steer", to: ["R1"] },
      { from: "I0", variant: "steer", to: ["I1"] },
      { from: "I1", variant: "steer", to: ["I1"] },
      { from: "A0", variant: "steer", to: ["A1"] },
      { from: "A1", variant: "steer", to: ["A1"] },
      { from: "W", variant: "queue", to: ["R0"] },
      { from: "E0", variant: "queue", to: ["R0"] },
      { from: "E1", variant: "queue", to: ["R1"] },
      { from: "R0", variant: "queue", to: ["R1"] },
      { from: "R1", variant: "queue", to: ["R1"] },
      { from: "I0", variant: "queue", to: ["I1"] },
      { from: "I1", variant: "queue", to: ["I1"] },
      { from: "A0", variant: "queue", to: ["A1"] },
      { from: "A1", variant: "queue", to: ["A1"] },
      { from: "W", variant: "interrupt", to: ["R0"] },
      { from: "E0", variant: "interrupt", to: ["R0"] },
      { from: "E1", variant: "interrupt", to: ["R1"] },
      { from: "R0", variant: "interrupt", to: ["I1"] },
      { from: "R1", variant: "interrupt", to: ["I1"] },
      { from: "I0", variant: "interrupt", to: ["I1"] },
      { from: "I1", variant: "interrupt", to: ["I1"] },
      { from: "A0", variant: "interrupt", to: ["I1"] },
      { from: "A1", variant: "interrupt", to: ["I1"] },
    ],
  },
  editMessage: {
    by: "api",
    rows: [
      { from: "W", to: ["R0"] },
      { from: "E0", to: ["R0"] },
      { from: "E1", to: ["R0"] },
      { from: "R0", to: ["R0"] },
      { from: "R1", to: ["R0"] },
      { from: "I0", to: ["R0"] },
      { from: "I1", to: ["R0"] },
      { from: "A0", to: ["R0"] },
      { from: "A1", to: ["R0"] },
      { from: "E1", variant: "keep_queue", to: ["R1"] },
      { from: "R1", variant: "keep_queue", to: ["R1"] },
      { from: "I1", variant: "keep_queue", to: ["R1"] },
      { from: "A1", variant: "keep_queue", to: ["R1"] },
      { from: "W", variant: "keep_queue", to: ["R0"] },
      { from: "E0", variant: "keep_queue", to: ["R0"] },
      { from: "R0", variant: "keep_queue", to: ["R0"] },
      { from: "I0", variant: "keep_queue", to: ["R0"] },
      { from: "A0", variant: "keep_queue", to: ["R0"] },
    ],
  },
  promoteSteering: {
    by: "worker",
    rows: [{ from: "R1", to: ["R0", "R1"] }],
  },
  deleteQueuedMessage: {
    by: "api",
    rows: [
      { from: "E1", to: ["E0", "E1"] },
      { from: "R1", to: ["R0", "R1"] },
      { from: "I1", to: ["I0", "I1"] },
      { from: "A1", to: ["A0", "A1"] },
    ],
  },
  promoteQueuedMessage: {
    by: "api",
    rows: [
      { from: "E1", to: ["R0", "R1"] },
      { from: "R1", to: ["I1"] },
      { from: "I1", to: ["I1"] },
      { from: "A1", to: ["R0", "R1"] },
    ],
  },
  reorderQueuedMessage: {
    by: "api",
    rows: [
      { from: "E1", to: ["E1"] },
      { from: "R1", to: ["R1"] },
      { from: "I1", to: ["I1"] },
      { from: "A1", to: ["A1"] },
    ],
  },
  editQueuedMessage: {
    by: "api",
    rows: [
      { from: "E1", to: ["E1"] },
      { from: "R1", to: ["R1"] },
      { from: "I1", to: ["I1"] },
      { from: "A1", to: ["A1"] },
    ],
  },
  interrupt: {
    by: "api",
    rows: [
      { from: "R0", to: ["I0"] },
      { from: "R1", to: ["I1"] },
      { from: "A0", to: ["I0"] },
      { from: "A1", to: ["I1"] },
      { from: "R0", variant: "hold", to: ["I0"] },
      { from: "R1", variant: "hold", to: ["I1"] },
      { from: "I0", variant: "hold", to: ["I0"] },
      { from: "I1", variant: "hold", to: ["I1"] },
      { from: "A0", variant: "hold", to: ["I0"] },
      { from: "A1", variant: "hold", to: ["I1"] },
    ],
  },
  completeRequiresAction: {
    by: "api",
    rows: [
      { from: "A0", to: ["A0", "R0"] },
      { from: "A1", to: ["A1", "R1"] },
    ],
  },
  decideApproval: {
    by: "api",
    rows: [
      { from: "A0", to: ["A0", "R0"] },
      { from: "A1", to: ["A1", "R1"] },
    ],
  },
  retryTurn: {
    by: "api",
    rows: [
      { from: "E0", to: ["R0"] },
      { from: "E1", to: ["R1"] },
    ],
  },
  deleteChat: {
    by: "api",
    rows: [
      { from: "W", to: ["N"] },
      { from: "E0", to: ["N"] },
      { from: "E1", to: ["N"] },
      { from: "R0", to: ["N"] },
      { from: "R1", to: ["N"] },
      { from: "I0", to: ["N"] },
      { from: "I1", to: ["N"] },
      { from: "A0", to: ["N"] },
      { from: "A1", to: ["N"] },
      { from: "XW", to: ["N"] },
      { from: "XE0", to: ["N"] },
      { from: "XE1", to: ["N"] },
      { from: "Invalid", to: ["N"] },
    ],
  },
  forkChat: {
    by: "api",
    rows: [{ from: "N", to: ["W"] }],
  },
  requestCompaction: {
    by: "api",
    rows: [
      { from: "W", to: ["R0"] },
      { from: "E0", to: ["R0"] },
      { from: "E1", to: ["R1"] },
    ],
  },
  clearContext: {
    by: "api",
    rows: [
      { from: "W", to: ["W"] },
      { from: "E0", to: ["W"] },
    ],
  },
  recordGenerationAttempt: {
    by: "worker",
    rows: [
      { from: "R0", to: ["R0"] },
      { from: "R1", to: ["R1"] },
    ],
  },
  recordRetryState: {
    by: "worker",
    rows: [
      { from: "R0", to: ["R0"] },
      { from: "R1", to: ["R1"] },
    ],
  },
  commitStep: {
    by: "worker",
    rows: [
      { from: "R0", to: ["R0"] },
      { from: "R1", to: ["R1"] },
    ],
  },
  enterRequiresAction: {
    by: "worker",
    rows: [
      { from: "R0", to: ["A0"] },
      { from: "R1", to: ["A1"] },
    ],
  },
  finishInterruption: {
    by: "worker",
    rows: [
      { from: "I0", to: ["W"] },
      { from: "I1", to: ["R0", "R1"] },
      { from: "I0", variant: "hold", to: ["W"] },
      { from: "I1", variant: "hold", to: ["E1"] },
    ],
  },
  finishTurn: {
    by: "worker",
    rows: [
      { from: "R0", to: ["W"] },
      { from: "R1", to: ["R0", "R1"] },
    ],
  },
  finishError: {
    by: "worker",
    rows: [
      { from: "R0", to: ["E0"] },
      { from: "R1", to: ["E1"] },
      { from: "I0", to: ["E0"] },
      { from: "I1", to: ["E1"] },
      { from: "A0", to: ["E0"] },
      { from: "A1", to: ["E1"] },
    ],
  },
  cancelRequiresAction: {
    by: "worker",
    rows: [
      { from: "A0", to: ["A0", "R0"] },
      { from: "A1", to: ["A1", "R1"] },
    ],
  },
  reconcileInvalidState: {
    by: "api",
    rows: [{ from: "Invalid", to: ["E0", "E1"] }],
  },
} as const satisfies Record<string, Transition>;

export type TransitionName = keyof typeof transitions;

/** Orthogonal to the execution state: who drives the chat. */
export type OwnershipTransition = "acquire" | "abandon";

/** Where a transition may land from a state, or null when it is not in the table. */
export function landings(
  name: TransitionName,
  from: State,
  variant: string | undefined,
): readonly State[] | null {
  const rows: readonly Row[] = transitions[name].rows;
  return rows.find((row) => row.from === from && row.variant === variant)?.to ?? null;
}
