import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../../test/replica.ts";
import { calls, fails, hangs, says, type Script } from "../../test/scripted-models.ts";
import { defineTool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

const clientTool = { name: "ask", input_schema: { type: "object" } };

describe("stop", () => {
  test("during the stream keeps what was said (C05)", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(hangs("so far so "));
    const id = await replica.create();
    const request = await replica.models.request(1);
    await replica.interrupt(id);
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    expect(request.signal.aborted).toBe(true);
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      role: "assistant",
      visibility: "both",
      finish_reason: "interrupted",
      parts: [{ type: "text", text: "so far so " }],
      episode: { generation_attempt: 1 },
    });
  });

  test("reaches the owner from another replica, with no hint to tell it (C02)", async () => {
    const owner = await cluster.replica();
    owner.models.enqueue(hangs("so far so "));
    const id = await owner.create();
    const request = await owner.models.request(1);
    const other = await cluster.replica();
    owner.cutOff = true;
    await other.interrupt(id);
    const row = await owner.passTime(cluster.untilIdle(id));
    expect(row.status).toBe("waiting");
    expect(request.signal.aborted).toBe(true);
    expect((await cluster.history(id))[1]).toMatchObject({
      finish_reason: "interrupted",
      parts: [{ type: "text", text: "so far so " }],
    });
  });

  test("keeps whole calls with a result that says they were not run, and drops unfinished ones", async () => {
    const replica = await cluster.replica();
    const script: Script = async (speaker) => {
      speaker.text("let me see");
      speaker.call("whole", "anything", { a: 1 });
      speaker.callBegun("half", "anything", '{"a":');
      await speaker.hang();
    };
    replica.models.enqueue(script);
    const id = await replica.create();
    await replica.models.request(1);
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    const [, reply, results] = await cluster.history(id);
    expect(reply?.parts.map(({ type }) => type)).toEqual(["text", "tool-call"]);
    expect(results).toMatchObject({
      role: "tool",
      parts: [{ tool_call_id: "whole", is_error: true }],
    });
  });

  test("before the run has started is kept (C03)", async () => {
    const replica = await cluster.replica();
    const id = await replica.create("hello", {}, false);
    replica.models.enqueue(says("an abandoned reply"));
    await replica.interrupt(id);
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    expect(await cluster.history(id)).toHaveLength(1);
  });

  test("works with no capacity, and for a model that nobody has", async () => {
    const replica = await cluster.replica({ worker: { capacity: 0 } });
    const id = await replica.create("hello", { model: "elsewhere/model" });
    await replica.interrupt(id);
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
  });

  test("during the back-off keeps the failed attempt's words", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(fails("overloaded", true, "half of it"));
    const id = await replica.create();
    await replica.clock.waitForTimer("runner.model_retry");
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      finish_reason: "interrupted",
      parts: [{ type: "text", text: "half of it" }],
      episode: { generation_attempt: 1 },
    });
  });

  test("after a second attempt has begun and said nothing keeps the first one's words", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(fails("overloaded", true, "half of it"), hangs());
    const id = await replica.create();
    await replica.clock.waitForTimer("runner.model_retry");
    await replica.clock.advance(60_000);
    await replica.models.request(2);
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      parts: [{ type: "text", text: "half of it" }],
      episode: { generation_attempt: 1 },
    });
  });

  test("while a client is waited for closes its call", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(calls(["c1", "ask", {}]));
    const id = await replica.create("hello", { client_tools: [clientTool] });
    await cluster.untilState(id, "A0");
    await replica.interrupt(id);
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    const history = await cluster.history(id);
    expect(history.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
    expect(replica.models.requests).toHaveLength(1);
  });

  test("while a tool runs keeps the results that are there, and says what is not known", async () => {
    const gate = Promise.withResolvers<void>();
    let stopped = false;
    const quick = defineTool({
      name: "quick",
      description: "",
      input: { type: "object" },
      execute: () => "ready",
    });
    const slow = defineTool({
      name: "slow",
      description: "",
      input: { type: "object" },
      execute: async (_input, { signal }) => {
        signal.addEventListener("abort", () => (stopped = true));
        gate.resolve();
        return await new Promise<never>(() => {});
      },
    });
    const replica = await cluster.replica({ tools: [quick, slow] });
    replica.models.enqueue(calls(["c1", "slow", {}], ["c2", "quick", {}]));
    const id = await replica.create();
    await gate.promise;
    await stored(id, "c2");
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(history[2]?.parts).toMatchObject([
      { tool_call_id: "c1", is_error: true, output: expect.stringContaining("outcome unknown") },
      { tool_call_id: "c2", is_error: false, output: "ready" },
    ]);
    expect(stopped).toBe(true);
    const states = await cluster.rows(
      `select tool_call_id as id, state from parley.tool_executions where chat_id = '${id}' order by ordinal`,
    );
    expect(states).toEqual([
      { id: "c1", state: "unknown" },
      { id: "c2", state: "finished" },
    ]);
  });

  test("with a queue goes on with its head; held, it pauses", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(hangs("one"), says("two"));
    const id = await replica.create();
    await replica.models.request(1);
    await replica.send(id, "next please");
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    expect((await cluster.history(id)).map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "user",
      "assistant",
    ]);

    replica.models.enqueue(hangs("three"));
    await replica.send(id, "third");
    await replica.models.request(3);
    await replica.send(id, "fourth");
    await replica.interrupt(id, true);
    const row = await cluster.untilIdle(id);
    expect(row).toMatchObject({
      status: "error",
      queue_length: 1,
      last_error: { kind: "stopped" },
    });
  });
});

test("a message that interrupts is answered after what was said is kept (C23)", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(hangs("I was "), says("new answer"));
  const id = await replica.create();
  await replica.models.request(1);
  await replica.send(id, "no, this", "interrupt");
  await cluster.untilIdle(id);
  const history = await cluster.history(id);
  expect(history.map(({ role, finish_reason }) => [role, finish_reason])).toEqual([
    ["user", null],
    ["assistant", "interrupted"],
    ["user", null],
    ["assistant", "stop"],
  ]);
});

/** Waits until the call's result is in the ledger. */
async function stored(chatId: string, callId: string): Promise<void> {
  for (;;) {
    const [row] = await cluster.rows<{ state: string }>(
      `select state from parley.tool_executions where chat_id = '${chatId}' and tool_call_id = '${callId}'`,
    );
    if (row?.state === "finished") return;
  }
}
