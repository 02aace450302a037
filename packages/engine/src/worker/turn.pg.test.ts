import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../../test/replica.ts";
import { calls, says } from "../../test/scripted-models.ts";
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

  test("costs three write transactions on chat tables, the API's one included", async () => {
    const replica = await cluster.replica();
    const id = await replica.create("first");
    await cluster.untilIdle(id);
    const before = replica.database.stats.snapshot();
    await replica.send(id, "second");
    await cluster.untilIdle(id);
    const { operations } = replica.database.stats.since(before);
    const cost = Object.fromEntries(
      Object.entries(operations).map(([name, { writes, statements, roundTrips }]) => [
        name,
        { writes, statements, roundTrips },
      ]),
    );
    console.log(JSON.stringify(cost));
    const chatWrites = ["api.send", "worker.begin", "worker.step"].map(
      (name) => cost[name]?.writes,
    );
    expect(chatWrites).toEqual([1, 1, 1]);
    expect(
      Object.keys(cost).filter((name) => !/^(api\.send|worker\.|test|connect)/.test(name)),
    ).toEqual([]);
  });
});

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
