import type { ChatRow } from "../../domain/rows.ts";
import { taskFor, type TaskKind } from "../../domain/task.ts";

/**
 * The decisions of a runner, without I/O: what it knows of its chat's row, which task is active, and what each event
 * calls for. A task is named by status and history version; naming it twice starts it once.
 */
export interface RunnerState {
  readonly workerId: string;
  readonly runnerId: string;
  /**
   * reserved: registered, the commit that makes it the owner is on its way; unsure: that commit's answer was lost;
   * driving; ended.
   */
  readonly phase: "reserved" | "unsure" | "driving" | "ended";
  /** The newest row that was seen; null before the first, and after `forget`. */
  readonly row: ChatRow | null;
  readonly active: ActiveTask | null;
  /** How often in a row the fence has refused a task although nothing newer than `row` was seen. */
  readonly refusals: number;
}

export interface ActiveTask {
  readonly kind: TaskKind;
  readonly status: ChatRow["status"];
  readonly history_version: number;
}

export type RunnerEvent =
  /** The commit that made this runner the owner happened. */
  | { readonly type: "confirmed"; readonly row: ChatRow }
  | { readonly type: "unsure" }
  /** A committed row, from wherever. `own`: the active task committed it, and goes on with it. */
  | { readonly type: "row"; readonly row: ChatRow; readonly own: boolean }
  /** The chat does not exist any more. */
  | { readonly type: "gone" }
  | { readonly type: "task_ended"; readonly outcome: TaskOutcome }
  /** What was seen may be of another database (a failover): look anew, whatever the versions say. */
  | { readonly type: "forget" }
  /** The lease was lost, or the worker stops. */
  | { readonly type: "end" };

export type TaskOutcome = "success" | "fence_lost" | "gone" | "cancelled";

export type Effect =
  /** Abort the active task and do not wait for it. */
  | { readonly type: "cancel" }
  | { readonly type: "start"; readonly task: ActiveTask; readonly row: ChatRow }
  /** Read the row and come back with `row` or `gone`: after a pause where refusals repeat, which grows with them. */
  | { readonly type: "read"; readonly refusals: number }
  | { readonly type: "end" };

export interface Decision {
  readonly state: RunnerState;
  readonly effects: readonly Effect[];
}

export function startRunner(workerId: string, runnerId: string): RunnerState {
  return { workerId, runnerId, phase: "reserved", row: null, active: null, refusals: 0 };
}

export function decide(state: RunnerState, event: RunnerEvent): Decision {
  if (state.phase === "ended") return stay(state);
  switch (event.type) {
    case "confirmed":
      return onRow({ ...state, phase: "driving" }, newest(state.row, event.row), false);
    case "unsure":
      return reading({ ...state, phase: "unsure" });
    case "row":
      if (!isNewer(event.row, state.row)) {
        // Read again after a lost answer or an ended task: not newer, but there may be nothing running for it.
        return state.phase === "driving" && state.row && !event.own
          ? startMissing(state, state.row)
          : stay(state);
      }
      // Before the confirmation a row says nothing: it may be from before this runner was named.
      if (state.phase === "reserved") return stay({ ...state, row: event.row });
      return onRow({ ...state, phase: "driving" }, event.row, event.own);
    case "gone":
      return end(state);
    case "task_ended":
      return onTaskEnded(state, event.outcome);
    case "forget":
      return reading({ ...state, row: null });
    case "end":
      return end(state);
  }
}

function onRow(state: RunnerState, row: ChatRow, own: boolean): Decision {
  const seen = { ...state, row, refusals: 0 };
  if (row.worker_id !== state.workerId || row.runner_id !== state.runnerId) return end(seen);
  const { active } = state;
  const wanted = taskOf(row);
  if (active !== null && own) {
    // The active task made this change itself. It goes on under the new name, or ends and is followed by another.
    return stay({ ...seen, active: { ...wanted, kind: active.kind } });
  }
  if (active !== null && sameTask(active, wanted)) return stay(seen);
  const effects: Effect[] = active === null ? [] : [{ type: "cancel" }];
  effects.push({ type: "start", task: wanted, row });
  return { state: { ...seen, active: wanted }, effects };
}

function onTaskEnded(state: RunnerState, outcome: TaskOutcome): Decision {
  const idle = { ...state, active: null };
  switch (outcome) {
    case "success": {
      const well = { ...idle, refusals: 0 };
      return state.row === null ? reading(well) : startMissing(well, state.row);
    }
    case "fence_lost":
      return reading({ ...idle, refusals: state.refusals + 1 });
    case "cancelled":
      // The row has changed and this runner has not heard of it yet.
      return reading(idle);
    case "gone":
      return end(idle);
  }
}

function startMissing(state: RunnerState, row: ChatRow): Decision {
  if (state.active !== null) return stay(state);
  const task = taskOf(row);
  return { state: { ...state, active: task }, effects: [{ type: "start", task, row }] };
}

function reading(state: RunnerState): Decision {
  return { state, effects: [{ type: "read", refusals: state.refusals }] };
}

function end(state: RunnerState): Decision {
  const effects: Effect[] = state.active === null ? [] : [{ type: "cancel" }];
  return {
    state: { ...state, phase: "ended", active: null },
    effects: [...effects, { type: "end" }],
  };
}

function stay(state: RunnerState): Decision {
  return { state, effects: [] };
}

function taskOf(row: ChatRow): ActiveTask {
  return { kind: taskFor(row), status: row.status, history_version: row.history_version };
}

function sameTask(a: ActiveTask, b: ActiveTask): boolean {
  return a.kind === b.kind && a.status === b.status && a.history_version === b.history_version;
}

function isNewer(row: ChatRow, than: ChatRow | null): boolean {
  return than === null || row.snapshot_version > than.snapshot_version;
}

function newest(a: ChatRow | null, b: ChatRow): ChatRow {
  return a !== null && a.snapshot_version > b.snapshot_version ? a : b;
}
