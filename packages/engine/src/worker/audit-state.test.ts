import { describe, expect, test } from "vitest";
import { rowIn } from "../../test/rows.ts";
import type { ChatRow } from "../domain/rows.ts";
import { audit, firstAudit, type Audited, type AuditState } from "./audit-state.ts";
import { decide, startRunner } from "./runner/state.ts";

const row = rowIn({ worker_id: "w", runner_id: "r", snapshot_version: 5 });

function driving(seen: ChatRow, idle = false): Audited {
  const { state } = decide(startRunner("w", "r"), { type: "confirmed", row: seen });
  return { state, chatId: seen.id, idle };
}

/** Runs the passes and gives what each acted on. */
function passes(
  ...inputs: { rows: ChatRow[]; runners: Audited[]; registered?: boolean }[]
): string[][] {
  let state: AuditState = firstAudit;
  return inputs.map(({ rows, runners, registered = runners.length > 0 }) => {
    const result = audit(state, rows, runners, () => registered);
    state = result.state;
    return result.actions.map(({ finding, stalled }) => finding.kind + (stalled ? "!" : ""));
  });
}

describe("the audit acts on what two passes in a row agree on", () => {
  test("a chat without a runner", () => {
    const found = { rows: [row], runners: [] };
    expect(passes(found, found)).toEqual([[], ["orphan"]]);
    expect(passes(found, { rows: [], runners: [] }, found)).toEqual([[], [], []]);
  });

  test("not a chat whose runner was registered after the rows were asked for", () => {
    const found = { rows: [row], runners: [], registered: true };
    expect(passes(found, found)).toEqual([[], []]);
  });

  test("a runner without a chat, but not one whose commit is still on its way", () => {
    const found = { rows: [], runners: [driving(row)] };
    expect(passes(found, found)).toEqual([[], ["ghost"]]);
    const reserved = { state: startRunner("w", "r"), chatId: row.id, idle: false };
    expect(passes({ rows: [], runners: [reserved] }, { rows: [], runners: [reserved] })).toEqual([
      [],
      [],
    ]);
  });

  test("a runner that has missed an event, at the same snapshot", () => {
    const behind = driving(rowIn({ ...row, snapshot_version: 4 }));
    const found = { rows: [row], runners: [behind] };
    expect(passes(found, found)).toEqual([[], ["behind"]]);
    const newer = { rows: [rowIn({ ...row, snapshot_version: 6 })], runners: [behind] };
    expect(passes(found, newer)).toEqual([[], []]);
  });

  test("a runner without a task: started, and at the third time given up", () => {
    const found = { rows: [row], runners: [driving(row, true)] };
    expect(passes(found, found, found, found)).toEqual([[], ["idle"], ["idle"], ["idle!"]]);
  });

  test("nothing where all is well", () => {
    const found = { rows: [row], runners: [driving(row)] };
    expect(passes(found, found)).toEqual([[], []]);
  });
});
