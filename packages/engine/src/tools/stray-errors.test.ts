import type { EventEmitter } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { runBatch } from "./run-batch.ts";
import { blameTool, containErrors } from "./stray-errors.ts";
import { defineTool, type Tool } from "./tool.ts";

/** As `parley serve` listens; the test runner's own listeners are away meanwhile. */
function listen(): (string | null)[] {
  const blamed: (string | null)[] = [];
  const events = ["uncaughtException", "unhandledRejection"] as const;
  const emitter: EventEmitter = process;
  const others = events.map((event) => emitter.listeners(event));
  for (const event of events) emitter.removeAllListeners(event);
  emitter.on("uncaughtException", (error) => void blamed.push(blameTool(error)));
  onTestFinished(() => {
    for (const [i, event] of events.entries()) {
      emitter.removeAllListeners(event);
      for (const listener of others[i] ?? []) emitter.on(event, listener as () => void);
    }
  });
  return blamed;
}

async function run(...tools: Tool[]): Promise<unknown[]> {
  const contained = new Map(tools.map((tool) => [tool.name, containErrors(tool)]));
  const outcomes = await runBatch(
    tools.map(({ name }) => ({
      call: { type: "tool-call", tool_call_id: name, tool_name: name, input: {} },
      idempotencyKey: name,
    })),
    {
      chatId: "c",
      tools: contained,
      clock: systemClock,
      signal: new AbortController().signal,
    },
  );
  return outcomes.map(({ ended, result }) => [ended, result.output]);
}

const tool = (name: string, execute: Tool["execute"]): Tool =>
  defineTool({ name, description: "", input: {}, timeoutMs: 20_000, execute });

const never = new Promise<never>(() => {});

test("what a tool throws outside of its promise is the result of its own call", async () => {
  const blamed = listen();
  const outcomes = await run(
    tool("in_a_timer", async () => {
      setTimeout(() => {
        throw new Error("late bang");
      }, 5);
      return await never;
    }),
    tool("not_awaited", async () => {
      void Promise.resolve().then(() => {
        throw new Error("lost");
      });
      return await never;
    }),
    tool("quiet", async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return "fine";
    }),
  );
  expect(outcomes).toEqual([
    ["failed", "late bang"],
    ["failed", "lost"],
    ["finished", "fine"],
  ]);
  expect(new Set(blamed)).toEqual(new Set(["in_a_timer", "not_awaited"]));
});

test("after its result it changes nothing; what is no tool's is nobody's", async () => {
  const blamed = listen();
  const thrown = Promise.withResolvers<void>();
  const outcomes = await run(
    tool("afterwards", async () => {
      setTimeout(() => {
        setImmediate(() => thrown.resolve());
        throw new Error("too late");
      }, 5);
      return "done";
    }),
  );
  await thrown.promise;
  expect(outcomes).toEqual([["finished", "done"]]);
  expect(blamed).toEqual(["afterwards"]);
  expect(blameTool(new Error("ours"))).toBeNull();
});
