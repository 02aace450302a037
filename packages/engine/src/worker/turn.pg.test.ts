import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, hangs, says } from "../../test/scripted-models.ts";
import { defineTool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

const roles = (rows: readonly { role: string }[]): string[] => rows.map((row) => row.role);

describe("a plain turn", () => {
  test("is answered, and the chat is given up", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hello to you"));
    const id = await replica.create("hello");
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    const history = await cluster.history(id);
    expect(roles(history)).toEqual(["user", "assistant"]);
    expect(history[1]).toMatchObject({
      parts: [{ type: "text", text: "hello to you" }],
      finish_reason: "stop",
      model: "test/model",
      episode: { generation_attempt: 1 },
    });
    expect(replica.worker.stats()).toMatchObject({ runners: 0, working: 0 });
  });

  test("costs two write transactions on chat tables, the API's one included", async () => {
    const replica = await cluster.replica();
    const id = await replica.create("first");
    await cluster.untilIdle(id);
    const cost = await costOf(replica, async () => {
      await replica.send(id, "second");
      await cluster.untilIdle(id);
    });
    expect(cost.writes).toEqual({ "api.send": 1, "worker.step": 1 });
    expect(cost.reads).toEqual({});
    expect(cost.statements).toBeLessThanOrEqual(9);
  });
});

describe("write transactions", () => {
  test("of a turn with one tool step: one for each of its three steps, one for the tool's result", async () => {
    const tool = defineTool({
      name: "echo",
      description: "",
      input: { type: "object" },
      execute: () => "said",
    });
    const replica = await cluster.replica({ tools: [tool] });
    const id = await replica.create("first");
    await cluster.untilIdle(id);
    replica.models.enqueue(calls(["c1", "echo"]), says("done"));
    const cost = await costOf(replica, async () => {
      await replica.send(id, "second");
      await cluster.untilIdle(id);
    });
    expect(cost.writes).toEqual({
      "api.send": 1,
      "worker.step": 3,
      "worker.tool_result": 1,
    });
    expect(cost.reads).toEqual({});
  });

  test("of an interrupted turn: the API's two, and one", async () => {
    const replica = await cluster.replica();
    const id = await replica.create("first");
    await cluster.untilIdle(id);
    replica.models.enqueue(hangs("so far"));
    const cost = await costOf(replica, async () => {
      await replica.send(id, "second");
      await replica.models.request(2);
      await replica.interrupt(id);
      await cluster.untilIdle(id);
    });
    expect(cost.writes).toEqual({
      "api.send": 1,
      "api.interrupt": 1,
      "worker.interrupt": 1,
    });
    expect(cost.reads).toEqual({});
  });
});

interface Cost {
  writes: Record<string, number>;
  reads: Record<string, number>;
  statements: number;
}

/** What the replica did meanwhile, but for what it does at all times: beats, looks, audits. */
async function costOf(replica: Replica, work: () => Promise<void>): Promise<Cost> {
  const before = replica.database.stats.snapshot();
  await work();
  const { operations } = replica.database.stats.since(before);
  const counted = Object.entries(operations).filter(
    ([name]) => !/^(connect|worker\.(beat|lock|look|search|audit|sweep))$/.test(name),
  );
  const each = (count: (counts: (typeof counted)[0][1]) => number): Record<string, number> =>
    Object.fromEntries(
      counted.map(([name, counts]) => [name, count(counts)] as const).filter(([, n]) => n > 0),
    );
  return {
    writes: each(({ writes }) => writes),
    reads: each(({ reads, singles }) => reads + singles),
    statements: counted.reduce((sum, [, { statements }]) => sum + statements, 0),
  };
}

test("a tool step: calls run, results are committed in call order, and the model goes on", async () => {
  const echo = defineTool<{ say: string }>({
    name: "echo",
    description: "",
    input: { type: "object" },
    execute: (input) => input.say,
  });
  const replica = await cluster.replica({ tools: [echo] });
  replica.models.enqueue(
    calls(["c1", "echo", { say: "one" }], ["c2", "echo", { say: "two" }]),
    says("done"),
  );
  const id = await replica.create("use tools");
  await cluster.untilIdle(id);
  const history = await cluster.history(id);
  expect(roles(history)).toEqual(["user", "assistant", "tool", "assistant"]);
  expect(history[2]?.parts).toMatchObject([
    { tool_call_id: "c1", output: "one", is_error: false },
    { tool_call_id: "c2", output: "two", is_error: false },
  ]);
  const second = await replica.models.request(2);
  expect(second.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
});

describe("messages that arrive while a turn runs", () => {
  test("steering enters at the step boundary, also when the reply was to be the last", async () => {
    const replica = await cluster.replica();
    const gate = Promise.withResolvers<void>();
    replica.models.enqueue(async (speaker) => {
      speaker.text("first");
      await speaker.wait(gate.promise);
    }, says("second"));
    const id = await replica.create();
    await replica.models.request(1);
    await replica.send(id, "also this", "steer");
    gate.resolve();
    const row = await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(roles(history)).toEqual(["user", "assistant", "user", "assistant"]);
    expect(row.turn_message_id).toBe(history[0]?.id);
  });

  test("a queued message is promoted in the bundle that ends the turn, and answered by the same runner", async () => {
    const replica = await cluster.replica();
    const gate = Promise.withResolvers<void>();
    replica.models.enqueue(async (speaker) => {
      speaker.text("first");
      await speaker.wait(gate.promise);
    }, says("second"));
    const id = await replica.create();
    await replica.models.request(1);
    const { runner_id } = await cluster.chat(id);
    await replica.send(id, "next");
    gate.resolve();
    await replica.models.request(2);
    expect(replica.commits.at(-1)?.chat).toMatchObject({
      runner_id,
      generation_attempt: 1,
      queue_length: 0,
    });
    const row = await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(roles(history)).toEqual(["user", "assistant", "user", "assistant"]);
    expect(row.turn_message_id).toBe(history[2]?.id);
  });

  test("a queued message does not disturb the reply that is being written", async () => {
    const replica = await cluster.replica();
    const gate = Promise.withResolvers<void>();
    replica.models.enqueue(async (speaker) => {
      speaker.text("first");
      await speaker.wait(gate.promise);
    });
    const id = await replica.create();
    const request = await replica.models.request(1);
    await replica.send(id, "next");
    expect(request.signal.aborted).toBe(false);
    gate.resolve();
    await cluster.untilIdle(id);
    expect(replica.models.requests).toHaveLength(2);
  });
});

test("a reply that was cut off ends the turn; its calls are answered as not run", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(async (speaker) => {
    speaker.text("I will");
    speaker.call("c1", "echo", {});
    return "length";
  });
  const id = await replica.create();
  const row = await cluster.untilIdle(id);
  expect(row.status).toBe("waiting");
  const history = await cluster.history(id);
  expect(history[1]).toMatchObject({ finish_reason: "length" });
  expect(history[2]?.parts).toMatchObject([
    { tool_call_id: "c1", output: "not run: the reply was cut off", is_error: true },
  ]);
  expect(history).toHaveLength(3);
  expect(replica.models.requests).toHaveLength(1);
});

describe("client tools", () => {
  const client_tools = [{ name: "ask", input_schema: { type: "object" }, deadline_seconds: 30 }];

  test("are waited for, without capacity, and closed at their deadline", async () => {
    const replica = await cluster.replica({ worker: { capacity: 1 } });
    replica.models.enqueue(calls(["c1", "ask", {}]), says("sorry"));
    const id = await replica.create("hello", { client_tools });
    await cluster.untilState(id, "A0");
    expect(replica.worker.stats()).toMatchObject({ runners: 1, working: 0 });
    await replica.clock.waitForTimer("runner.deadline");
    await cluster.advance(31_000);
    await replica.clock.advance(60_000);
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(roles(history)).toEqual(["user", "assistant", "tool", "assistant"]);
    expect(history[2]?.parts).toMatchObject([{ tool_call_id: "c1", is_error: true }]);
  });

  test("with broken arguments are answered by the server", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(async (speaker) => {
      speaker.live({
        type: "tool-call",
        index: 0,
        tool_call_id: "c1",
        tool_name: "ask",
        input: null,
        input_text: "{broken",
      });
      return "tool_calls";
    });
    const id = await replica.create("hello", { client_tools });
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(roles(history)).toEqual(["user", "assistant", "tool", "assistant"]);
    expect(JSON.stringify(history[2]?.parts)).toContain("no valid JSON");
  });
});
