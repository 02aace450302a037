import { expect, test } from "vitest";
import {
  closedState,
  closingMessage,
  closingResult,
  unknownText,
  type ClosingReason,
} from "./closing.ts";
import type { ExecutionRow, ExecutionState, TrackedCall } from "./rows.ts";

function call(id: string, execution: Partial<ExecutionRow> | null): TrackedCall {
  const row = {
    state: "intent",
    needs_approval: false,
    decision_reason: null,
    result: null,
  } as const;
  return {
    message_id: 1,
    ordinal: 0,
    tool_call_id: id,
    tool_name: `tool_${id}`,
    input: {},
    execution: execution === null ? null : ({ ...row, ...execution } as ExecutionRow),
    expired: false,
  };
}

const reasons: ClosingReason[] = [
  "cancelled",
  "interrupted",
  "expired",
  "not_run",
  "failed",
  "cleared",
  "forked",
  "reconciled",
];

test("one message answers all, in call order; none where nothing is open", () => {
  expect(closingMessage([], "cancelled")).toBeNull();
  const message = closingMessage([call("b", {}), call("a", null)], "interrupted");
  expect(message?.role).toBe("tool");
  expect(message?.parts).toMatchObject([
    { type: "tool-result", tool_call_id: "b", tool_name: "tool_b", is_error: true },
    { type: "tool-result", tool_call_id: "a", tool_name: "tool_a", is_error: true },
  ]);
});

test.each(reasons)("%s: what was started is never called cancelled", (reason) => {
  for (const state of ["started", "unknown"] as const) {
    expect(closingResult(call("x", { state }), reason)).toMatchObject({
      output: unknownText,
      is_error: true,
    });
  }
});

test.each(reasons)("%s: a result that there is wins", (reason) => {
  const result = { output: { rows: 3 }, is_error: false };
  expect(closingResult(call("x", { state: "finished", result }), reason)).toMatchObject(result);
});

test("a denial says so, with its reason where there is one", () => {
  const denied = call("x", { state: "denied", needs_approval: true, decision_reason: "too dear" });
  expect(closingResult(denied, "cancelled").output).toBe("denied: too dear");
  const mute = call("x", { state: "denied", needs_approval: true });
  expect(closingResult(mute, "cancelled").output).toContain("did not allow");
});

test("an approval that nobody gave says so, whatever ended it", () => {
  for (const reason of reasons) {
    const undecided = call("x", { needs_approval: true });
    expect(closingResult(undecided, reason).output).toContain("nobody approved it");
  }
});

test("what becomes of a row whose call is closed", () => {
  const after: Record<ExecutionState, ExecutionState> = {
    intent: "abandoned",
    approved: "abandoned",
    started: "unknown",
    denied: "denied",
    finished: "finished",
    unknown: "unknown",
    abandoned: "abandoned",
  };
  for (const [state, closed] of Object.entries(after)) {
    expect(closedState(state as ExecutionState)).toBe(closed);
  }
});
