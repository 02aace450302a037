import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createDatabaseProxy } from "../../test/database-proxy.ts";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, says, ScriptedModels } from "../../test/scripted-models.ts";
import { decideApproval } from "../machine/transitions/decide-approval.ts";
import type { ModelReply } from "../models/model-port.ts";
import { defineTool, type Delivery, type Tool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** Answers a user's message with three calls, and their results with words. */
class ThreeCalls extends ScriptedModels {
  override async stream(...args: Parameters<ScriptedModels["stream"]>): Promise<ModelReply> {
    const asked = args[0].messages.at(-1)?.role === "user";
    this.enqueue(asked ? calls(["c1", "once"], ["c2", "again"], ["c3", "pay"]) : says("done"));
    return await super.stream(...args);
  }
}

interface Run {
  readonly tool: string;
  readonly key: string;
}

/** The tools of one life: what a process does after it was killed, it does not do. */
function toolsOf(runs: Run[], life: { over: boolean }): Tool[] {
  const noting = (name: string, delivery: Delivery, approval = false): Tool =>
    defineTool({
      name,
      description: "",
      input: {},
      delivery,
      approval,
      execute: (_input, { idempotencyKey: key }) => {
        if (!life.over) runs.push({ tool: name, key });
        return `${name} ran`;
      },
    });
  return [
    noting("once", "at_most_once"),
    noting("again", "at_least_once"),
    noting("pay", "at_most_once", true),
  ];
}

/** Approves the payment as soon as somebody is asked for it. */
async function approving(machine: Replica["machine"], chatId: string): Promise<void> {
  await cluster.untilState(chatId, "A0");
  const decisions = [{ tool_call_id: "c3", decision: "approve" as const }];
  await machine.update(
    chatId,
    async (bundle) => await decideApproval(bundle, { decisions, decided_by: cluster.owner }),
    { operation: "api.approve" },
  );
}

/** A turn whose replica is killed at the n-th thing that it sends. False: the turn was over before. */
async function killedAt(
  n: number,
  moment: "before" | "after",
  outcomes: Set<string>,
): Promise<boolean> {
  const runs: Run[] = [];
  const first = { over: false };
  const killed = Promise.withResolvers<"killed">();
  const proxy = await createDatabaseProxy(cluster.settings);
  const next = await cluster.replica({
    tools: toolsOf(runs, { over: false }),
    models: new ThreeCalls(),
    start: false,
  });
  const dying = await cluster.replica({
    tools: toolsOf(runs, first),
    models: new ThreeCalls(),
    settings: proxy.settings,
  });
  try {
    proxy.goAwayAt(n, moment, () => {
      first.over = true;
      killed.resolve("killed");
    });
    const id = await next.create("go", {}, false);
    const decided = approving(next.machine, id);
    const idle = cluster.untilIdle(id).then(() => "idle" as const);
    const how = await Promise.race([killed.promise, idle]);
    first.over = true;
    await dying.kill();
    if (how === "killed") {
      await next.worker.start();
      await cluster.bury(next);
      next.worker.resync();
      await idle;
    }
    await decided;
    await expectSound(id, runs, outcomes);
    return how === "killed";
  } finally {
    await next.stop();
    await proxy.close();
  }
}

async function expectSound(
  chatId: string,
  runs: readonly Run[],
  outcomes: Set<string>,
): Promise<void> {
  const times = (tool: string): number => runs.filter((run) => run.tool === tool).length;
  expect(times("once")).toBeLessThanOrEqual(1);
  expect(times("pay")).toBeLessThanOrEqual(1);
  expect(new Set(runs.map(({ key }) => key)).size).toBeLessThanOrEqual(3);

  expect(await cluster.chat(chatId)).toMatchObject({ status: "waiting", last_error: null });
  const history = await cluster.history(chatId);
  expect(history.map(({ role }) => role)).toEqual([
    "user",
    "assistant",
    "tool",
    "tool",
    "assistant",
  ]);
  const results = history.flatMap(({ role, parts }) => (role === "tool" ? parts : []));
  const ids = results.map((part) => "tool_call_id" in part && part.tool_call_id);
  expect(ids).toEqual(["c1", "c2", "c3"]);
  const ledger = await cluster.rows<{
    tool_name: string;
    state: string;
    decided_by: string | null;
  }>(
    `select tool_name, state, decided_by from parley.tool_executions where chat_id = '${chatId}' order by ordinal`,
  );
  for (const [at, tool] of ["once", "again", "pay"].entries()) {
    const { output, is_error } = results[at] as { output: unknown; is_error: boolean };
    const { state, decided_by } = ledger[at] ?? {};
    if (state === "unknown") {
      expect(tool).not.toBe("again");
      expect([output, is_error]).toEqual([expect.stringContaining("outcome unknown"), true]);
    } else {
      expect([state, output, is_error]).toEqual(["finished", `${tool} ran`, false]);
      expect(times(tool)).toBeGreaterThanOrEqual(1);
    }
    if (tool === "once") outcomes.add(`${state}, ${times(tool) === 1 ? "ran" : "never ran"}`);
    if (tool === "pay") expect(decided_by).toBe(cluster.owner);
  }
}

/** The turn sends more than this; a sweep that ends sooner has seen nothing. */
const sendsMin = 20;

test("a replica killed between any two things that it asks of the database: the turn ends whole, and nothing runs twice", async () => {
  const outcomes = new Set<string>();
  let n = 1;
  // To be killed before the third is to be killed after the second: every boundary has its turn, in one way or the other.
  while ((await killedAt(n, "before", outcomes)) && (await killedAt(n, "after", outcomes))) n += 2;
  expect(n).toBeGreaterThan(sendsMin);
  // Killed with its result in the ledger, and without: the sweep has been on both sides.
  const both = ["finished, ran", "unknown, ran"];
  expect([...outcomes]).toEqual(expect.arrayContaining(both));
});
