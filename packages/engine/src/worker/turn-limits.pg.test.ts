import type { ToolResultPart } from "@parley/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { Cluster } from "../../test/replica.ts";
import { calls, hangs, says } from "../../test/scripted-models.ts";
import { defineTool } from "../tools/tool.ts";

/** What one turn may take: calls in a step, output of a batch, time. Every end says which it was. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

async function resultsOf(id: string): Promise<ToolResultPart[]> {
  const history = await cluster.history(id);
  return history.flatMap(({ parts }) => parts.filter((part) => part.type === "tool-result"));
}

function textOf(output: ToolResultPart["output"]): string {
  return typeof output === "string" ? output : JSON.stringify(output);
}

function probe(ran: string[], output = "ran", approval = false) {
  return defineTool({
    name: "probe",
    description: "",
    input: z.looseObject({}),
    approval,
    execute: (_input, { idempotencyKey }) => {
      ran.push(idempotencyKey);
      return output;
    },
  });
}

const many = (count: number) =>
  calls(...Array.from({ length: count }, (_, i) => [`c${i}`, "probe"] as const));

describe("tool calls of one step", () => {
  test("beyond the limit are answered without having run, and the turn goes on", async () => {
    const ran: string[] = [];
    const replica = await cluster.replica({
      tools: [probe(ran)],
      worker: { stepToolCallsMax: 2 },
    });
    replica.models.enqueue(many(4), says("done"));
    const id = await replica.create();
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    expect(ran).toHaveLength(2);
    const results = await resultsOf(id);
    expect(results.map(({ tool_call_id, is_error }) => [tool_call_id, is_error])).toEqual([
      ["c0", false],
      ["c1", false],
      ["c2", true],
      ["c3", true],
    ]);
    expect(results[2]?.output).toContain("no more than 2 calls");
  });

  test("beyond the limit ask nobody: no approval, no client", async () => {
    const replica = await cluster.replica({
      tools: [probe([], "ran", true)],
      worker: { stepToolCallsMax: 1 },
    });
    replica.models.enqueue(calls(["c0", "other"], ["c1", "probe"], ["c2", "mine"]), says("done"));
    const client_tools = [{ name: "mine", input_schema: {} }];
    const id = await replica.create("hello", { client_tools });
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
    expect((await resultsOf(id)).slice(1).map(({ output }) => output)).toEqual([
      expect.stringContaining("no more than 1 calls"),
      expect.stringContaining("no more than 1 calls"),
    ]);
  });
});

test("a batch's results together have no more than a third of the window", async () => {
  const replica = await cluster.replica({ tools: [probe([], "ä".repeat(100_000))] });
  replica.models.windows.set("test/model", 9_000);
  replica.models.enqueue(many(5), says("done"));
  const id = await replica.create();
  await cluster.untilIdle(id);
  const sizes = (await resultsOf(id)).map(({ output }) => Buffer.byteLength(textOf(output)));
  expect(sizes).toHaveLength(5);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(9_000);
  expect(Math.min(...sizes)).toBeGreaterThan(1_700);
});

describe("the time of a turn", () => {
  test("ends a reply in the middle; what was said stays for people", async () => {
    const replica = await cluster.replica({ worker: { turnMs: 60_000 } });
    replica.models.enqueue(hangs("so far "));
    const id = await replica.create();
    await replica.models.request(1);
    await cluster.until(id, (row) => row.generation_attempt === 1);
    const row = await replica.passTime(cluster.untilIdle(id), 5_000);
    expect(row.last_error).toMatchObject({ kind: "time_limit", retryable: true });
    expect(row.last_error?.message).toContain("60 s");
    expect((await cluster.history(id)).at(-1)).toMatchObject({
      visibility: "user",
      parts: [{ type: "text", text: "so far " }],
    });
  });

  test("ends a turn that goes from step to step; a retry has all its time again", async () => {
    const replica = await cluster.replica({ tools: [probe([])], worker: { turnMs: 60_000 } });
    replica.models.enqueue(async (speaker) => {
      await cluster.sql(
        `update parley.chats set running_since = running_since - interval '61 seconds'`,
      );
      speaker.call("c0", "probe");
      return "tool_calls";
    });
    const id = await replica.create();
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({ kind: "time_limit" });
    expect(replica.models.requests).toHaveLength(1);
    replica.models.enqueue(says("done"));
    await replica.send(id, "go on");
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
  });

  test("begins anew with every message, and when somebody outside has answered", async () => {
    const replica = await cluster.replica({ worker: { turnMs: 60_000 } });
    const since = async (id: string) => (await cluster.chat(id)).running_since?.getTime() ?? 0;
    replica.models.enqueue(hangs(), says("two"), calls(["c0", "mine"]), hangs());
    const client_tools = [{ name: "mine", input_schema: {} }];
    const id = await replica.create("one", { client_tools });
    await replica.models.request(1);
    const first = await since(id);
    expect(first).toBeGreaterThan(0);
    await replica.send(id, "two", "interrupt");
    await cluster.untilIdle(id);
    const second = await since(id);
    expect(second).toBeGreaterThan(first);
    await replica.send(id, "three");
    await cluster.untilState(id, "A0");
    const third = await since(id);
    expect(third).toBeGreaterThan(second);
    await cluster.sql(
      `update parley.chats set status = 'running', requires_action_deadline_at = null where id = '${id}'`,
    );
    expect(await since(id)).toBeGreaterThan(third);
  });
});
