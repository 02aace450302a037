import { describe, expect, test } from "vitest";
import { isPending, nextStep, type NextStep, type Situation } from "./next-step.ts";
import type { ExecutionRow, ExecutionState, TrackedCall } from "./rows.ts";

type Message = Situation["messages"][number];

const message = (role: Message["role"], over: Partial<Message> = {}): Message => ({
  role,
  visibility: "both",
  finish_reason: role === "assistant" ? "stop" : null,
  is_boundary: false,
  ...over,
});

function call(
  kind: ExecutionRow["kind"],
  state: ExecutionState,
  needs_approval = false,
): TrackedCall {
  const execution = { kind, state, needs_approval } as ExecutionRow;
  return {
    message_id: 1,
    ordinal: 0,
    tool_call_id: "c",
    tool_name: "t",
    input: {},
    execution,
    expired: false,
  };
}

const unknownCall: TrackedCall = { ...call("server", "intent"), execution: null };

const quiet: Situation = {
  messages: [message("user"), message("assistant")],
  calls: [],
  steering: false,
  compaction: false,
};

describe("in this order", () => {
  const everything = {
    messages: [message("user")],
    steering: true,
    compaction: true,
  };
  const cases: [string, Situation, NextStep][] = [
    [
      "a server's call is run first",
      { ...everything, calls: [call("client", "intent"), call("server", "intent")] },
      "run_tools",
    ],
    [
      "then clients and people are waited for",
      { ...everything, calls: [call("client", "intent")] },
      "require_action",
    ],
    ["then steering is taken in", { ...everything, calls: [] }, "promote_steering"],
    ["then the context is compacted", { ...everything, calls: [], steering: false }, "compact"],
    [
      "then the model is called",
      { ...everything, calls: [], steering: false, compaction: false },
      "call_model",
    ],
    ["then the turn is over", quiet, "finish"],
    [
      "compaction for its own sake comes before steering",
      { ...quiet, steering: true, compaction: true, compactOnly: true },
      "compact",
    ],
  ];
  test.each(cases)("%s", (_what, situation, step) => {
    expect(nextStep(situation)).toBe(step);
  });
});

describe("the model owes a reply", () => {
  const cases: [string, Message[], NextStep][] = [
    ["to a user's message", [message("user")], "call_model"],
    ["to tool results", [message("user"), message("assistant"), message("tool")], "call_model"],
    [
      "after a provider's pause",
      [message("user"), message("assistant", { finish_reason: "pause" })],
      "call_model",
    ],
    ["not after a complete message", [message("assistant")], "finish"],
    [
      "not after one that was cut off",
      [message("assistant", { finish_reason: "length" })],
      "finish",
    ],
    [
      "not after an interrupted one",
      [message("assistant", { finish_reason: "interrupted" })],
      "finish",
    ],
    ["not to nothing", [], "finish"],
    [
      "to what stood before a partial that only people see",
      [message("user"), message("assistant", { visibility: "user" })],
      "call_model",
    ],
    [
      "to a replayed message",
      [message("system", { is_boundary: true }), message("user", { visibility: "model" })],
      "call_model",
    ],
    [
      "not to a boundary",
      [message("system", { is_boundary: true, visibility: "model" })],
      "finish",
    ],
  ];
  test.each(cases)("%s", (_what, messages, step) => {
    expect(nextStep({ ...quiet, messages })).toBe(step);
  });
});

describe("what waits for somebody outside", () => {
  const cases: [string, TrackedCall, boolean][] = [
    ["a client's call", call("client", "intent"), true],
    ["a client's call whose approval is undecided", call("client", "intent", true), true],
    ["a client's call that was approved", call("client", "approved", true), true],
    ["a server's call whose approval is undecided", call("server", "intent", true), true],
    ["not a server's call that was approved", call("server", "approved", true), false],
    ["not a server's call that needs none", call("server", "intent"), false],
    ["not what was started", call("server", "started"), false],
    ["not what is finished", call("server", "finished"), false],
    ["not what a client has finished", call("client", "finished"), false],
    ["not what was denied", call("client", "denied", true), false],
    ["not what the ledger does not know", unknownCall, false],
  ];
  test.each(cases)("%s", (_what, one, pending) => {
    expect(isPending(one)).toBe(pending);
    expect(nextStep({ ...quiet, calls: [one] })).toBe(pending ? "require_action" : "run_tools");
  });
});
