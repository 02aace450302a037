import type { LivePart } from "@parley/protocol";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Cluster } from "../../test/replica.ts";
import { calls, says } from "../../test/scripted-models.ts";
import { defineTool, type Delivery, type Tool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** A tool that never ends by itself; `deaf`: nor when it is told to. */
function endless(name: string, delivery: Delivery, deaf: boolean): Endless {
  const begun = Promise.withResolvers<AbortSignal>();
  const tool = defineTool({
    name,
    description: "",
    input: {},
    delivery,
    timeoutMs: 3_600_000,
    execute: async (_input, { signal }) => {
      begun.resolve(signal);
      return await new Promise<null>((_resolve, reject) => {
        if (!deaf) signal.addEventListener("abort", () => reject(new Error("told to stop")));
      });
    },
  });
  return { tool, begun: begun.promise };
}

interface Endless {
  tool: Tool;
  /** Its signal, once it runs. */
  begun: Promise<AbortSignal>;
}

async function resultsOf(chatId: string): Promise<unknown[]> {
  const history = await cluster.history(chatId);
  return history.flatMap(({ role, parts }) => (role === "tool" ? parts : []));
}

test("a stop reaches the signal of every tool, and waits for none (C41)", async () => {
  const tools = [
    endless("listens", "at_least_once", false),
    endless("deaf", "at_least_once", true),
    endless("once", "at_most_once", true),
  ];
  const replica = await cluster.replica({ tools: tools.map(({ tool }) => tool) });
  replica.models.enqueue(calls(["c1", "listens"], ["c2", "deaf"], ["c3", "once"]));
  const id = await replica.create();
  const signals = await Promise.all(tools.map(({ begun }) => begun));
  await replica.interrupt(id);
  const row = await cluster.untilIdle(id);
  expect(row.status).toBe("waiting");
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
  expect(await resultsOf(id)).toMatchObject([
    { tool_call_id: "c1", output: expect.stringContaining("stopped"), is_error: true },
    { tool_call_id: "c2", output: expect.stringContaining("stopped"), is_error: true },
    { tool_call_id: "c3", output: expect.stringContaining("outcome unknown"), is_error: true },
  ]);
});

test("a tool that does not listen holds up neither the grace's end nor who goes on", async () => {
  const before = [endless("deaf", "at_least_once", true), endless("once", "at_most_once", true)];
  const replica = await cluster.replica({ tools: before.map(({ tool }) => tool) });
  replica.models.enqueue(calls(["c1", "deaf"], ["c2", "once"]));
  const id = await replica.create();
  const [signal] = await Promise.all(before.map(({ begun }) => begun));
  const drained = replica.worker.drain(30_000);
  await replica.clock.waitForTimer("drain.grace");
  await replica.clock.advance(30_000);
  await drained;
  expect(signal?.aborted).toBe(true);
  const again = endless("deaf", "at_least_once", true);
  const next = await cluster.replica({ tools: [again.tool, before[1]?.tool as Tool] });
  next.worker.resync();
  await again.begun;
  expect(await cluster.chat(id)).toMatchObject({ worker_id: next.worker.id, takeovers: 0 });
});

test("progress is streamed while the tool runs, and is no part of what is committed", async () => {
  const gate = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const tool = defineTool({
    name: "long",
    description: "",
    input: {},
    execute: async (_input, { progress }) => {
      begun.resolve();
      const output = await gate.promise;
      progress({ percent: 50 });
      return output;
    },
  });
  const replica = await cluster.replica({ tools: [tool] });
  replica.models.enqueue(calls(["c1", "long"]), says("done"));
  const id = await replica.create();
  await begun.promise;
  const { history_version } = await cluster.chat(id);
  const live: LivePart[] = [];
  replica.parts.subscribe({ chat_id: id, history_version, generation_attempt: 1 }, 1, {
    parts: (_seq, parts) => void live.push(...parts),
    snapshot: () => {},
    closed: () => {},
  });
  gate.resolve("output");
  await cluster.untilIdle(id);
  expect(live).toMatchObject([
    { type: "tool-progress", tool_call_id: "c1", progress: { percent: 50 } },
    { type: "tool-result", index: 0, tool_call_id: "c1", output: "output" },
  ]);
  expect(await resultsOf(id)).toHaveLength(1);
});

test("output is cut to a third of the model's window, unless the tool says less", async () => {
  const long = (name: string, outputBytesMax?: number): Tool =>
    defineTool({
      name,
      description: "",
      input: {},
      ...(outputBytesMax === undefined ? {} : { outputBytesMax }),
      execute: () => "ä".repeat(100_000),
    });
  const tools = [long("plain"), long("short", 300), long("greedy", 1_000_000)];
  const replica = await cluster.replica({ tools });
  replica.models.windows.set("test/model", 9_000);
  replica.models.enqueue(
    calls(["c1", "plain"]),
    calls(["c2", "short"]),
    calls(["c3", "greedy"]),
    says("done"),
  );
  const id = await replica.create();
  await cluster.untilIdle(id);
  const outputs = (await resultsOf(id)).map((part) => String((part as { output: unknown }).output));
  for (const [at, bytesMax] of [9_000, 300, 9_000].entries()) {
    const bytes = Buffer.byteLength(outputs[at] ?? "");
    expect(bytes).toBeLessThanOrEqual(bytesMax);
    expect(bytes).toBeGreaterThan(bytesMax - 4);
    expect(outputs[at]).toMatch(/^ä+\n\n\[… 200000 bytes, cut to \d+ …\]\n\nä+$/);
  }
});
