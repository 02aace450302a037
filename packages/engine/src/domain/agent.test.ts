import { expect, test } from "vitest";
import { agentStatusOf, replyTextOf, type AgentRow } from "./agent.ts";

const error = { message: "it broke", retryable: true } as const;

test.each<[Partial<AgentRow>, string]>([
  [{ status: "running" }, "running"],
  [{ status: "requires_action" }, "requires_action"],
  [{ status: "interrupting" }, "stopping"],
  [{ status: "waiting", reply_finish_reason: "stop" }, "finished"],
  [{ status: "waiting", reply_finish_reason: "length" }, "finished"],
  [{ status: "waiting", reply_finish_reason: "interrupted" }, "stopped"],
  // Stopped while its tools ran, or before it had said anything.
  [{ status: "waiting", reply_finish_reason: "tool_calls" }, "stopped"],
  [{ status: "waiting", reply_finish_reason: null }, "stopped"],
  [{ status: "error", last_error: { ...error, kind: "stopped" } }, "stopped"],
  [{ status: "error", last_error: { ...error, kind: "server" } }, "failed"],
])("%j is %s", (row, status) => {
  const whole = { status: "waiting", last_error: null, reply_finish_reason: null, ...row } as const;
  expect(agentStatusOf(whole)).toBe(status);
});

test("what it said is its text, not its thoughts", () => {
  const reply_parts: AgentRow["reply_parts"] = [
    { type: "reasoning", text: "hm" },
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  expect(replyTextOf({ reply_parts })).toBe("ab");
  expect(replyTextOf({ reply_parts: null })).toBe("");
});
