import type { Part } from "@parley/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, says, ScriptedModels } from "../../test/scripted-models.ts";
import { ParleyError } from "../lib/errors.ts";
import { seededRandom } from "../lib/random.ts";
import { completeRequiresAction } from "../machine/transitions/complete-requires-action.ts";
import { decideApproval } from "../machine/transitions/decide-approval.ts";
import { editMessage } from "../machine/transitions/edit-message.ts";
import type { ModelReply } from "../models/model-port.ts";
import { readPendingActions, type Decision } from "../store/executions.ts";
import { defineTool, type Tool, type ToolDefinition } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** A tool that needs approval and notes its runs. */
function pay(
  runs: string[],
  over: Partial<ToolDefinition<{ sum?: number | undefined }>> = {},
): Tool {
  return defineTool({
    name: "pay",
    description: "",
    input: z.object({ sum: z.number().optional() }),
    approval: true,
    execute: (_input, { idempotencyKey }) => {
      runs.push(idempotencyKey);
      return "paid";
    },
    ...over,
  });
}

async function decide(replica: Replica, chatId: string, ...decisions: Decision[]): Promise<void> {
  const decision = { decided_by: cluster.owner, decisions };
  await replica.machine.update(chatId, async (bundle) => await decideApproval(bundle, decision), {
    acquire: true,
  });
}

const approve = (tool_call_id: string): Decision => ({ tool_call_id, decision: "approve" });

async function resultsOf(chatId: string): Promise<Part[]> {
  const history = await cluster.history(chatId);
  return history.flatMap(({ parts }) => parts.filter(({ type }) => type === "tool-result"));
}

async function actionsOf(chatId: string): ReturnType<typeof readPendingActions> {
  return await cluster.database.read(async (tx) => await readPendingActions(tx, chatId), {
    operation: "test",
  });
}

test("who may decide and until when is told; the deadline is the tool's, else the deployment's", async () => {
  const tools = [pay([], { approvalDeadlineMs: 7_000 }), pay([], { name: "order" })];
  const replica = await cluster.replica({ tools, worker: { approvalDeadlineMs: 60_000 } });
  replica.models.enqueue(calls(["c1", "pay"], ["c2", "order"]));
  const id = await replica.create();
  const row = await cluster.untilState(id, "A0");
  const actions = await actionsOf(id);
  expect(actions).toMatchObject([
    { tool_call_id: "c1", kind: "approval", may_decide: [cluster.owner] },
    { tool_call_id: "c2", kind: "approval", may_decide: [cluster.owner] },
  ]);
  const [first = 0, second = 0] = actions.map(({ deadline_at }) => Date.parse(deadline_at ?? ""));
  expect(Math.abs(second - first - 53_000)).toBeLessThan(10);
  expect(row.requires_action_deadline_at?.getTime()).toBe(first);
});

test("only the calls that the tool says so of wait for an approval", async () => {
  const runs: string[] = [];
  const tool = pay(runs, { approval: ({ sum = 0 }) => sum > 100 });
  const replica = await cluster.replica({ tools: [tool] });
  replica.models.enqueue(calls(["c1", "pay", { sum: 5 }], ["c2", "pay", { sum: 500 }]));
  const id = await replica.create();
  await cluster.untilState(id, "A0");
  expect(runs).toHaveLength(1);
  expect((await actionsOf(id)).map(({ tool_call_id }) => tool_call_id)).toEqual(["c2"]);
  await decide(replica, id, approve("c2"));
  await cluster.untilIdle(id);
  expect(runs).toHaveLength(2);
});

test("nobody is asked about a call that cannot run", async () => {
  const replica = await cluster.replica({ tools: [pay([])] });
  replica.models.enqueue(calls(["c1", "pay", { sum: "much" }]), says("done"));
  const id = await replica.create();
  await cluster.untilIdle(id);
  expect(await resultsOf(id)).toMatchObject([
    { is_error: true, output: expect.stringMatching(/do not fit.*sum: /) },
  ]);
});

describe("an approval that nobody has decided", () => {
  test("outlives its replica, and so does its deadline; then the call is answered and never runs (C35)", async () => {
    const runs: string[] = [];
    const before = await cluster.replica({ tools: [pay(runs)] });
    before.models.enqueue(calls(["c1", "pay"]));
    const id = await before.create();
    const parked = await cluster.untilState(id, "A0");
    await before.kill();
    const next = await cluster.replica({ tools: [pay(runs)] });
    next.models.enqueue(says("done"));
    await cluster.bury(next);
    await next.passTime(cluster.until(id, (row) => row.worker_id === next.worker.id));
    const still = await cluster.chat(id);
    expect(still.requires_action_deadline_at).toEqual(parked.requires_action_deadline_at);
    expect(still.takeovers).toBe(0);

    await cluster.advance(24 * 3_600_000 + 1_000);
    await next.passTime(cluster.untilIdle(id), 60_000);
    expect(await resultsOf(id)).toMatchObject([
      { is_error: true, output: expect.stringMatching(/nobody approved it.*timed out/) },
    ]);
    await expect(decide(next, id, approve("c1"))).rejects.toThrow(ParleyError);
    expect(runs).toEqual([]);
  });

  test("can still be given after the replica has died, and the call runs then, once", async () => {
    const runs: string[] = [];
    const before = await cluster.replica({ tools: [pay(runs)] });
    before.models.enqueue(calls(["c1", "pay"]));
    const id = await before.create();
    await cluster.untilState(id, "A0");
    await before.kill();
    const next = await cluster.replica({ tools: [pay(runs)] });
    next.models.enqueue(says("done"));
    await decide(next, id, approve("c1"));
    await cluster.bury(next);
    await next.passTime(cluster.untilIdle(id));
    expect(await resultsOf(id)).toMatchObject([{ output: "paid", is_error: false }]);
    expect(runs).toHaveLength(1);
  });

  test("ends with a stop, an edit and a new message, and the call never runs", async () => {
    const runs: string[] = [];
    const replica = await cluster.replica({ tools: [pay(runs)] });
    const parked = async (): Promise<string> => {
      replica.models.enqueue(calls(["c1", "pay"]));
      const id = await replica.create();
      await cluster.untilState(id, "A0");
      return id;
    };
    const stopped = await parked();
    await replica.interrupt(stopped);
    await cluster.untilIdle(stopped);
    expect(await resultsOf(stopped)).toMatchObject([
      { output: expect.stringMatching(/nobody approved it.*stopped/) },
    ]);

    const edited = await parked();
    const [message] = await cluster.history(edited);
    const parts = [{ type: "text" as const, text: "instead" }];
    const edit = { message_id: message?.id ?? 0, parts, client_id: null, created_by: null };
    await replica.machine.update(edited, async (bundle) =>
      editMessage(bundle, { ...edit, keep_queue: false }),
    );
    await cluster.untilIdle(edited);

    const interrupted = await parked();
    await replica.send(interrupted, "never mind", "interrupt");
    await cluster.untilIdle(interrupted);
    expect(await resultsOf(interrupted)).toMatchObject([{ is_error: true }]);

    for (const id of [stopped, edited, interrupted]) {
      // oxlint-disable-next-line no-await-in-loop
      await expect(decide(replica, id, approve("c1"))).rejects.toThrow(ParleyError);
    }
    expect(runs).toEqual([]);
  });
});

test("a mixed batch: the server's calls run first, then it waits for client and person, then what was approved runs", async () => {
  const runs: string[] = [];
  const noting = (name: string) => (): string => {
    runs.push(name);
    return `${name} ran`;
  };
  const note = (name: string): Tool =>
    defineTool({ name, description: "", input: {}, execute: noting(name) });
  const paid = pay([], { execute: noting("pay") });
  const refused = pay([], { name: "refused", execute: noting("refused") });
  const replica = await cluster.replica({ tools: [note("look"), note("read"), paid, refused] });
  replica.models.enqueue(
    calls(["c1", "pay"], ["c2", "look"], ["c3", "ask"], ["c4", "refused"], ["c5", "read"]),
    says("done"),
  );
  const id = await replica.create("go", {
    client_tools: [{ name: "ask", input_schema: { type: "object" } }],
  });
  await cluster.untilState(id, "A0");
  expect(runs.toSorted()).toEqual(["look", "read"]);
  expect((await resultsOf(id)).map((part) => "tool_call_id" in part && part.tool_call_id)).toEqual([
    "c2",
    "c5",
  ]);
  await decide(replica, id, approve("c1"), {
    tool_call_id: "c4",
    decision: "deny",
    reason: "not today",
  });
  // The client is still waited for: what was approved has time.
  expect((await cluster.chat(id)).status).toBe("requires_action");
  expect(runs).toHaveLength(2);
  await replica.machine.update(
    id,
    async (bundle) =>
      await completeRequiresAction(bundle, {
        submitted_by: cluster.owner,
        results: [{ tool_call_id: "c3", output: "blue", is_error: false }],
      }),
    { acquire: true },
  );
  await cluster.untilIdle(id);
  expect(runs.slice(2)).toEqual(["pay"]);
  expect(await resultsOf(id)).toMatchObject([
    { tool_call_id: "c2", output: "look ran" },
    { tool_call_id: "c5", output: "read ran" },
    { tool_call_id: "c4", output: "denied: not today", is_error: true },
    { tool_call_id: "c3", output: "blue" },
    { tool_call_id: "c1", output: "pay ran" },
  ]);
  // All of it before the model is asked again.
  expect(replica.models.requests).toHaveLength(2);
  expect(replica.models.requests[1]?.messages.filter(({ role }) => role === "tool")).toHaveLength(
    4,
  );
});

/** Whoever says "pay" is answered with a call; everything else with words. */
class PaysWhenAsked extends ScriptedModels {
  override async stream(...args: Parameters<ScriptedModels["stream"]>): Promise<ModelReply> {
    const [part] = args[0].messages.at(-1)?.parts ?? [];
    const asked = part?.type === "text" && part.text === "pay";
    this.enqueue(asked ? calls(["the call", "pay"]) : says("ok"));
    return await super.stream(...args);
  }
}

/**
 * Decisions against everything that may take the call away, at the same moment and on both replicas: whatever wins, a
 * call runs only if its approval is recorded, and once.
 */
test.each([1, 2, 3, 4])("races around a decision (seed %i)", async (seed) => {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)] as T;
  const runs: { key: string; decided: boolean }[] = [];
  const tool = pay([], {
    execute: async (_input, { idempotencyKey: key }) => {
      const [row] = await cluster.rows<{ decided: boolean }>(
        `select decided_at is not null and state not in ('intent', 'denied') as decided from parley.tool_executions where id = '${key}'`,
      );
      runs.push({ key, decided: row?.decided ?? false });
      return "paid";
    },
  });
  const chats: string[] = [];
  const replicas = [
    await cluster.replica({ tools: [tool], models: new PaysWhenAsked() }),
    await cluster.replica({ tools: [tool], models: new PaysWhenAsked() }),
  ];
  const quietly = async (what: Promise<unknown>): Promise<void> => {
    await what.catch((error: unknown) => {
      if (!(error instanceof ParleyError)) throw error;
    });
  };
  for (let round = 0; round < 12; round++) {
    const id = await pick(replicas).create("pay");
    chats.push(id);
    await cluster.untilState(id, "A0");
    const [message] = await cluster.history(id);
    const edit = {
      message_id: message?.id ?? 0,
      parts: [{ type: "text" as const, text: "instead" }],
      client_id: null,
      created_by: null,
      keep_queue: true,
    };
    const [{ tool_call_id: call } = { tool_call_id: "" }] = await actionsOf(id);
    const wishes: readonly (() => Promise<unknown>)[] = [
      async () => await decide(pick(replicas), id, approve(call)),
      async () => await decide(pick(replicas), id, { tool_call_id: call, decision: "deny" }),
      async () => await pick(replicas).interrupt(id),
      async () => await pick(replicas).send(id, "never mind", "interrupt"),
      async () =>
        await pick(replicas).machine.update(id, async (b) => await editMessage(b, edit), {
          acquire: true,
        }),
    ];
    const chosen = [wishes[0], pick(wishes), pick(wishes)].filter((wish) => wish !== undefined);
    await Promise.all(chosen.map(async (wish) => await quietly(wish())));
  }
  for (const id of chats) {
    // oxlint-disable-next-line no-await-in-loop
    await cluster.untilIdle(id);
  }
  expect(runs.every(({ decided }) => decided)).toBe(true);
  expect(new Set(runs.map(({ key }) => key)).size).toBe(runs.length);
  const rows = await cluster.rows<{ id: string; decided_by: string | null; state: string }>(
    `select id, decided_by, state from parley.tool_executions`,
  );
  for (const { id, decided_by, state } of rows) {
    const ran = runs.some(({ key }) => key === id);
    if (ran)
      expect([decided_by, state]).toEqual([cluster.owner, expect.not.stringMatching("denied")]);
    if (state === "finished") expect(ran).toBe(true);
  }
});
