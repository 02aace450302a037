import type { PendingAction } from "@parley/protocol";
import { expect, test } from "vitest";
import { parseLine } from "./commands.ts";
import { decisionsOf } from "./decisions.ts";

const waits = (tool_call_id: string, kind: PendingAction["kind"] = "approval"): PendingAction => ({
  tool_call_id,
  tool_name: "pay",
  kind,
  input: {},
  deadline_at: null,
});

function decide(line: string, ...actions: PendingAction[]): unknown {
  const command = parseLine(line);
  if (command.name !== "approve" && command.name !== "deny") throw new Error(command.name);
  return decisionsOf(command, actions);
}

const approve = (tool_call_id: string): object => ({ tool_call_id, decision: "approve" });
const deny = (tool_call_id: string, reason?: string): object => ({
  tool_call_id,
  decision: "deny",
  ...(reason === undefined ? {} : { reason }),
});

test("the one call that waits needs no name", () => {
  expect(decide("/approve", waits("a"), waits("c", "client_tool"))).toEqual([approve("a")]);
  expect(decide("/deny", waits("a"))).toEqual([deny("a")]);
  expect(decide("/deny far too much", waits("a"))).toEqual([deny("a", "far too much")]);
});

test("of several, one is named, or all are", () => {
  const two = [waits("a"), waits("b")];
  expect(decide("/approve b", ...two)).toEqual([approve("b")]);
  expect(decide("/deny b no budget", ...two)).toEqual([deny("b", "no budget")]);
  expect(decide("/approve all", ...two)).toEqual([approve("a"), approve("b")]);
  expect(decide("/deny all later", ...two)).toEqual([deny("a", "later"), deny("b", "later")]);
  expect(() => decide("/approve", ...two)).toThrow(/several calls wait.*\n {2}a pay\n {2}b pay/);
  expect(() => decide("/deny because", ...two)).toThrow(/several calls wait/);
});

test("nothing is approved by mistake", () => {
  expect(() => decide("/approve")).toThrow("no call waits for an approval");
  expect(() => decide("/approve c", waits("c", "client_tool"))).toThrow(/no call waits/);
  expect(() => decide("/approve x", waits("a"))).toThrow('no call "x" waits for an approval');
});
