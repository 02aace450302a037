import { fold, type LivePart, type Part, type ToolResultPart } from "@parley/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { messageIn, rowIn, trackedCall } from "../../../test/rows.ts";
import { defineTool, type Tool, type ToolDefinition } from "../../tools/tool.ts";
import { InOrder } from "./in-order.ts";
import { failedReply, interruptedReply } from "./partial.ts";
import { executionOf, planTools, type FindTool } from "./tool-plan.ts";
import { modelOf, stepsOf } from "./transcript.ts";

const result = (tool_call_id: string): ToolResultPart => ({
  type: "tool-result",
  tool_call_id,
  tool_name: "tool",
  output: tool_call_id,
  is_error: false,
});
const call = (tool_call_id: string, over: Partial<Part> = {}): Part =>
  ({ type: "tool-call", tool_call_id, tool_name: "tool", input: {}, ...over }) as Part;

test("results fold to the committed message in call order, in whatever order they end", () => {
  const ids = ["a", "b", "c", "d", "e"];
  fc.assert(
    fc.property(fc.shuffledSubarray(ids, { minLength: ids.length }), (order) => {
      const inOrder = new InOrder(ids);
      const live: LivePart[] = order.flatMap((id) => inOrder.end(result(id)));
      expect(fold(live)).toEqual(ids.map(result));
      // Whoever had to wait was announced, once.
      const told = live.filter(({ type }) => type === "tool-progress").length;
      expect(told).toBeLessThan(ids.length);
    }),
  );
});

const toolWith = (over: Partial<ToolDefinition<{ sum?: number | undefined }>>): Tool =>
  defineTool({
    name: "tool",
    description: "",
    input: z.object({ sum: z.number().optional() }),
    execute: () => null,
    ...over,
  });
const deadlines = { approvalDeadlineMs: 60_000, clientToolDeadlineMs: 30_000 };

describe("the plan of a batch", () => {
  const tools: Record<string, Tool> = {
    safe: toolWith({ delivery: "at_least_once" }),
    pay: toolWith({ approval: true }),
    tool: toolWith({}),
  };
  const find: FindTool = (name) => tools[name];
  const context = [messageIn({ id: 1, role: "assistant", parts: ["c"].map((id) => call(id)) })];
  const plan = (...calls: Parameters<typeof trackedCall>[]): string[] =>
    planTools({ context, calls: calls.map((args) => trackedCall(...args)) }, find).map((each) =>
      each.how === "run"
        ? `run${each.once ? " once" : ""}`
        : String((each.result as { output: unknown }).output),
    );

  test("runs what nobody has begun", () => {
    expect(plan(["c", { state: "intent" }])).toEqual(["run once"]);
    expect(plan(["c", { state: "intent" }, { tool_name: "safe" }])).toEqual(["run"]);
    expect(plan(["c", { state: "approved", needs_approval: true }])).toEqual(["run once"]);
  });

  test("leaves alone what waits for somebody outside", () => {
    expect(plan(["c", { state: "intent", needs_approval: true }])).toEqual([]);
    expect(plan(["c", { state: "intent", kind: "client" }])).toEqual([]);
  });

  test("never runs without an approval what needs one, though nobody was asked for it", () => {
    const call = { tool_name: "pay" };
    expect(plan(["c", { state: "approved", needs_approval: true }, call])).toEqual(["run once"]);
    expect(plan(["c", { state: "intent", needs_approval: false }, call])[0]).toContain("not run");
  });

  test("uses the result that is there", () => {
    expect(plan(["c", { state: "finished", result: { output: "x", is_error: false } }])).toEqual([
      "x",
    ]);
  });

  test("never runs what was started, nor what was denied, nor what the ledger does not know", () => {
    expect(plan(["c", { state: "started" }])[0]).toContain("outcome unknown");
    expect(plan(["c", { state: "unknown" }])[0]).toContain("outcome unknown");
    expect(plan(["c", { state: "denied", decision_reason: "no" }])).toEqual(["denied: no"]);
    expect(plan(["c", null])[0]).toContain("not run");
  });
});

describe("the ledger's row of a call", () => {
  const tools: Record<string, Tool> = {
    pay: toolWith({ approval: true, approvalDeadlineMs: 7_000 }),
    order: toolWith({ approval: ({ sum = 0 }) => sum > 10 }),
    broken: toolWith({
      approval: () => {
        throw new Error("cannot tell");
      },
    }),
  };
  const find: FindTool = (name) => tools[name];
  const client = [{ name: "ask", deadline_seconds: 5 }];
  const of = (tool_name: string, over = {}): unknown =>
    executionOf(
      { type: "tool-call", tool_call_id: "c", tool_name, input: {}, ...over },
      client,
      find,
      deadlines,
    );

  test("is a client's with its deadline, a server's with its need of approval", () => {
    expect(of("ask")).toMatchObject({ kind: "client", needs_approval: false, deadline_ms: 5_000 });
    expect(of("pay")).toMatchObject({ kind: "server", needs_approval: true, deadline_ms: 7_000 });
    expect(of("unknown")).toMatchObject({ kind: "server", needs_approval: false });
  });

  test("asks for an approval by what the call says; where that cannot be told, it asks", () => {
    const approval = { needs_approval: true, deadline_ms: 60_000 };
    expect(of("order", { input: { sum: 11 } })).toMatchObject(approval);
    expect(of("order", { input: { sum: 10 } })).toMatchObject({ needs_approval: false });
    expect(of("broken")).toMatchObject(approval);
  });

  test("asks nobody about a call that will be refused for its arguments", () => {
    expect(of("pay", { input: { sum: "x" } })).toMatchObject({ needs_approval: false });
    expect(of("pay", { input: null, input_text: "{" })).toMatchObject({ needs_approval: false });
  });

  test("is the server's where the client could not read the arguments", () => {
    expect(of("ask", { input: null, input_text: "{" })).toMatchObject({
      kind: "server",
      needs_approval: false,
    });
  });
});

describe("what is kept", () => {
  const key = { chat_id: "x", history_version: 3, generation_attempt: 2 };

  test("of an interrupted reply: all but what had not arrived whole, with an answer to every call", () => {
    const parts = [
      { type: "text", text: "hm" } as const,
      call("whole"),
      call("half", { partial: true }),
      call("provider's", { provider_executed: true }),
    ];
    const [reply, results] = interruptedReply({ key, parts }, "test/model");
    expect(reply).toMatchObject({
      finish_reason: "interrupted",
      episode: { history_version: 3, generation_attempt: 2 },
    });
    expect(reply?.parts).toEqual([{ type: "text", text: "hm" }, call("whole")]);
    expect(results?.parts).toMatchObject([{ tool_call_id: "whole", is_error: true }]);
  });

  test("of a failed one: no calls, and only people see it", () => {
    const parts = [{ type: "text", text: "hm" } as const, call("whole")];
    expect(failedReply({ key, parts }, "test/model")).toMatchObject([
      { visibility: "user", finish_reason: "error", parts: [{ type: "text", text: "hm" }] },
    ]);
    expect(failedReply({ key, parts: [call("whole")] }, "test/model")).toEqual([]);
  });
});

describe("the transcript", () => {
  const user = (over = {}): ReturnType<typeof messageIn> => messageIn({ role: "user", ...over });
  const context = [
    user({ model: "test/other" }),
    messageIn({ role: "assistant" }),
    user(),
    messageIn({ role: "assistant" }),
    messageIn({ role: "tool" }),
  ];

  test("counts steps since the last message of a user", () => {
    expect(stepsOf({ context })).toBe(2);
    expect(stepsOf({ context: [] })).toBe(0);
  });

  test("goes by the model of the last message, else the chat's", () => {
    expect(modelOf(rowIn(), { context }).model).toBe("test/model");
    expect(modelOf(rowIn(), { context: context.slice(0, 2) }).model).toBe("test/other");
  });
});
