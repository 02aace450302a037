import type { ChatRow } from "../domain/rows.ts";
import type { RunnerState } from "./runner/state.ts";

/** A runner as the audit sees it. */
export interface Audited {
  readonly state: RunnerState;
  readonly chatId: string;
  readonly idle: boolean;
}

export type Finding =
  /** A chat names a runner of this worker that does not exist. */
  | { readonly kind: "orphan"; readonly runnerId: string; readonly row: ChatRow }
  /** A runner drives a chat that does not name it. */
  | { readonly kind: "ghost"; readonly runnerId: string }
  /** The row is newer than what the runner has heard of. */
  | { readonly kind: "behind"; readonly runnerId: string; readonly row: ChatRow }
  /** The row calls for a task and none runs. */
  | { readonly kind: "idle"; readonly runnerId: string; readonly row: ChatRow };

export interface AuditState {
  /** What the last pass found: only what is found twice in a row is acted on. */
  readonly seen: ReadonlySet<string>;
  /** How often a runner's task had to be started at one snapshot. */
  readonly starts: ReadonlyMap<string, number>;
}

export const firstAudit: AuditState = { seen: new Set(), starts: new Map() };

export type Action = { readonly finding: Finding; readonly stalled: boolean };

/** At the third time that a task has to be started for the same row, the turn ends in an error. */
const startsMax = 3;

/**
 * Compares the chats that name this worker with its runners. `runners` are those that were registered before the query
 * for the rows was sent: a younger one may own a chat that the rows do not show yet.
 */
export function audit(
  state: AuditState,
  rows: readonly ChatRow[],
  runners: readonly Audited[],
  isRegistered: (runnerId: string) => boolean,
): { state: AuditState; actions: Action[] } {
  const findings = [...ofRows(rows, runners, isRegistered), ...ofRunners(rows, runners)];
  const starts = new Map<string, number>();
  const actions: Action[] = [];
  for (const finding of findings) {
    const key = keyOf(finding);
    const before = state.starts.get(key);
    if (before !== undefined) starts.set(key, before);
    if (!state.seen.has(key)) continue;
    const count = finding.kind === "idle" ? (before ?? 0) + 1 : 0;
    if (finding.kind === "idle") starts.set(key, count);
    actions.push({ finding, stalled: count >= startsMax });
  }
  return { state: { seen: new Set(findings.map(keyOf)), starts }, actions };
}

function ofRows(
  rows: readonly ChatRow[],
  runners: readonly Audited[],
  isRegistered: (runnerId: string) => boolean,
): Finding[] {
  const byId = new Map(runners.map((runner) => [runner.state.runnerId, runner]));
  return rows.flatMap((row): Finding[] => {
    const { runner_id: runnerId } = row;
    if (runnerId === null) return [];
    const runner = byId.get(runnerId);
    if (runner === undefined)
      return isRegistered(runnerId) ? [] : [{ kind: "orphan", runnerId, row }];
    const seen = runner.state.row;
    if (seen === null || seen.snapshot_version < row.snapshot_version) {
      return [{ kind: "behind", runnerId, row }];
    }
    return runner.idle ? [{ kind: "idle", runnerId, row }] : [];
  });
}

function ofRunners(rows: readonly ChatRow[], runners: readonly Audited[]): Finding[] {
  const named = new Set(rows.map((row) => row.runner_id));
  return runners
    .filter(({ state }) => state.phase !== "ended" && !named.has(state.runnerId))
    .filter(({ state }) => state.phase !== "reserved")
    .map(({ state }) => ({ kind: "ghost", runnerId: state.runnerId }));
}

/** The same finding: the same runner, at the same snapshot where a snapshot is what it is about. */
function keyOf(finding: Finding): string {
  const at =
    finding.kind === "ghost" || finding.kind === "orphan" ? "" : finding.row.snapshot_version;
  return `${finding.kind}:${finding.runnerId}:${at}`;
}
