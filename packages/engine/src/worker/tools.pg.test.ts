import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { fold, type LivePart } from "@parley/protocol";
import { Cluster } from "../../test/replica.ts";
import { calls, says } from "../../test/scripted-models.ts";
import { decideApproval } from "../machine/transitions/decide-approval.ts";
import { defineTool, type Delivery, type Tool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

interface Ledger {
  id: string;
  tool_call_id: string;
  state: string;
  result: { output: unknown; is_error: boolean } | null;
}

async function ledger(chatId: string): Promise<Ledger[]> {
  return await cluster.rows<Ledger>(
    `select id, tool_call_id, state, result from parley.tool_executions where chat_id = '${chatId}' order by ordinal`,
  );
}

/** A tool that tells of each run, and ends when it is let. */
function gated(name: string, delivery: Delivery): GatedTool {
  const runs: string[] = [];
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<string>();
  const tool = defineTool({
    name,
    description: "",
    input: { type: "object" },
    delivery,
    execute: async (_input, { idempotencyKey }) => {
      runs.push(idempotencyKey);
      begun.resolve();
      return await gate.promise;
    },
  });
  return { tool, runs, begun: begun.promise, end: gate.resolve };
}

interface GatedTool {
  tool: Tool;
  runs: string[];
  begun: Promise<void>;
  end: (output: string) => void;
}

test("an at-most-once call is recorded as started before it runs, and finished before it is shown", async () => {
  const slow = gated("slow", "at_most_once");
  const replica = await cluster.replica({ tools: [slow.tool] });
  replica.models.enqueue(calls(["c1", "slow"]), says("done"));
  const id = await replica.create();
  await slow.begun;
  const [started] = await ledger(id);
  expect(started).toMatchObject({ state: "started", result: null });
  expect(slow.runs).toEqual([started?.id]);
  slow.end("result");
  await cluster.untilIdle(id);
  expect(await ledger(id)).toMatchObject([
    { state: "finished", result: { output: "result", is_error: false } },
  ]);
});

test("results stream in call order, whatever order they end in; that a call has ended is told at once", async () => {
  const first = gated("first", "at_least_once");
  const second = gated("second", "at_least_once");
  const replica = await cluster.replica({ tools: [first.tool, second.tool] });
  replica.models.enqueue(calls(["c1", "first"], ["c2", "second"]), says("done"));
  const id = await replica.create();
  await Promise.all([first.begun, second.begun]);
  const { history_version } = await cluster.chat(id);
  const live: LivePart[] = [];
  const progress = Promise.withResolvers<void>();
  replica.parts.subscribe({ chat_id: id, history_version, generation_attempt: 1 }, 1, {
    parts: (_seq, parts) => {
      live.push(...parts);
      progress.resolve();
    },
    snapshot: () => {},
    closed: () => {},
  });
  second.end("two");
  await progress.promise;
  expect(live).toEqual([
    {
      type: "tool-progress",
      tool_call_id: "c2",
      progress: { state: "finished", output: "two", is_error: false },
    },
  ]);
  first.end("one");
  await cluster.untilIdle(id);
  const history = await cluster.history(id);
  expect(fold(live)).toEqual(history[2]?.parts);
  expect(history[2]?.parts).toMatchObject([{ output: "one" }, { output: "two" }]);
  expect(history[2]?.episode).toEqual({ history_version, generation_attempt: 1 });
});

describe("after the owner has died in the middle of a batch (C19, C20)", () => {
  test("finished results are used, at-least-once calls run again, at-most-once ones never", async () => {
    const tools = (): { safe: GatedTool; once: GatedTool; quick: Tool } => ({
      safe: gated("safe", "at_least_once"),
      once: gated("once", "at_most_once"),
      quick: defineTool({
        name: "quick",
        description: "",
        input: { type: "object" },
        execute: () => "quick result",
      }),
    });
    const before = tools();
    const dying = await cluster.replica({
      tools: [before.safe.tool, before.once.tool, before.quick],
    });
    dying.models.enqueue(calls(["c1", "safe"], ["c2", "once"], ["c3", "quick"]));
    const id = await dying.create();
    await Promise.all([before.safe.begun, before.once.begun]);
    while ((await ledger(id))[2]?.state !== "finished");
    await dying.kill();

    const after = tools();
    const next = await cluster.replica({ tools: [after.safe.tool, after.once.tool, after.quick] });
    next.models.enqueue(says("done"));
    await cluster.bury(next);
    await after.safe.begun;
    after.safe.end("again");
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(history[2]?.parts).toMatchObject([
      { tool_call_id: "c1", output: "again", is_error: false },
      { tool_call_id: "c2", output: expect.stringContaining("outcome unknown"), is_error: true },
      { tool_call_id: "c3", output: "quick result", is_error: false },
    ]);
    expect(after.once.runs).toEqual([]);
    expect(after.safe.runs).toEqual(before.safe.runs);
    expect((await ledger(id)).map(({ state }) => state)).toEqual([
      "finished",
      "unknown",
      "finished",
    ]);
  });
});

test("a call that needs approval runs when it was approved, and not before", async () => {
  const runs: string[] = [];
  const tool = defineTool({
    name: "pay",
    description: "",
    input: { type: "object" },
    approval: true,
    execute: () => {
      runs.push("paid");
      return "paid";
    },
  });
  const replica = await cluster.replica({ tools: [tool] });
  replica.models.enqueue(calls(["c1", "pay"]), says("done"));
  const id = await replica.create();
  await cluster.untilState(id, "A0");
  expect(runs).toEqual([]);
  await replica.machine.update(id, async (bundle) => {
    await decideApproval(bundle, {
      decided_by: cluster.owner,
      decisions: [{ tool_call_id: "c1", decision: "approve" }],
    });
  });
  await cluster.untilIdle(id);
  expect(runs).toEqual(["paid"]);
});

test("a denied call is never run", async () => {
  const tool = defineTool({
    name: "pay",
    description: "",
    input: { type: "object" },
    approval: true,
    execute: () => {
      throw new Error("must not run");
    },
  });
  const replica = await cluster.replica({ tools: [tool] });
  replica.models.enqueue(calls(["c1", "pay"]), says("done"));
  const id = await replica.create();
  await cluster.untilState(id, "A0");
  await replica.machine.update(id, async (bundle) => {
    await decideApproval(bundle, {
      decided_by: cluster.owner,
      decisions: [{ tool_call_id: "c1", decision: "deny", reason: "too much" }],
    });
  });
  await cluster.untilIdle(id);
  const history = await cluster.history(id);
  expect(history[2]?.parts).toMatchObject([{ output: "denied: too much", is_error: true }]);
});

test("unknown tools and tools that throw answer with an error, and the turn goes on", async () => {
  const broken = defineTool({
    name: "broken",
    description: "",
    input: { type: "object" },
    execute: () => {
      throw new Error("no luck");
    },
  });
  const replica = await cluster.replica({ tools: [broken] });
  replica.models.enqueue(calls(["c1", "broken"], ["c2", "nowhere"]), says("done"));
  const id = await replica.create();
  const row = await cluster.untilIdle(id);
  expect(row.status).toBe("waiting");
  const history = await cluster.history(id);
  expect(history[2]?.parts).toMatchObject([
    { output: "no luck", is_error: true },
    { output: expect.stringContaining("nowhere"), is_error: true },
  ]);
});

test("a result that could not be stored is not made up for by running the call again", async () => {
  await cluster.sql(`
    create sequence parley.test_stores;
    create function parley.test_refuse() returns trigger language plpgsql as $$
    begin
      if nextval('parley.test_stores') = 1 then raise exception 'refused once'; end if;
      return new;
    end $$;
    create trigger test_refuse before update on parley.tool_executions
      for each row when (new.state = 'finished') execute function parley.test_refuse()`);
  const once = gated("once", "at_most_once");
  const replica = await cluster.replica({ tools: [once.tool] });
  replica.models.enqueue(calls(["c1", "once"]), says("done"));
  const id = await replica.create();
  await once.begun;
  once.end("lost");
  await replica.passTime(cluster.untilIdle(id));
  await cluster.sql(`drop trigger test_refuse on parley.tool_executions;
    drop function parley.test_refuse; drop sequence parley.test_stores`);
  expect(once.runs).toHaveLength(1);
  const history = await cluster.history(id);
  expect(history[2]?.parts).toMatchObject([
    { tool_call_id: "c1", is_error: true, output: expect.stringContaining("outcome unknown") },
  ]);
  expect((await ledger(id)).map(({ state }) => state)).toEqual(["unknown"]);
});
