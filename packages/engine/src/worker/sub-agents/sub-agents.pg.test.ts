import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { cast, outputOf, type Roles } from "../../../test/cast.ts";
import { Cluster, type Replica, type ReplicaOptions } from "../../../test/replica.ts";
import { calls, fails, hangs, says, type Script } from "../../../test/scripted-models.ts";
import type { ChatRow } from "../../domain/rows.ts";
import { deleteChat } from "../../machine/transitions/delete-chat.ts";
import { editMessage } from "../../machine/transitions/edit-message.ts";
import { defineTool } from "../../tools/tool.ts";
import { subAgentTools } from "../../tools/sub-agents/tools.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** Small beside the time that a tool has, however slow the database is at this moment. */
const stepMs = 10;

async function replicaWith(roles: Roles, options: ReplicaOptions = {}): Promise<Replica> {
  const replica = await cluster.replica({ subAgents: {}, ...options });
  cast(replica.models, roles);
  return replica;
}

const spawn = (prompt: string, more: object = {}): Script =>
  calls([`spawn ${prompt}`, "spawn_agent", { prompt, ...more }]);
const wait = (more: object = {}): Script => calls(["wait", "wait_agents", more]);

/** A reply that is said when the test lets it. */
function gated(text: string): { script: Script; asked: Promise<void>; say: () => void } {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  return {
    script: async (speaker) => {
      asked.resolve();
      await speaker.wait(gate.promise);
      speaker.text(text);
    },
    asked: asked.promise,
    say: gate.resolve,
  };
}

async function children(id: string): Promise<ChatRow[]> {
  return await cluster.rows<ChatRow>(
    `select * from parley.chats where parent_chat_id = '${id}' order by created_at, id`,
  );
}

async function onlyChild(id: string): Promise<ChatRow> {
  const [child, second] = await children(id);
  if (child === undefined || second !== undefined) throw new Error("not one child");
  return child;
}

/** The results of a chat's calls of a tool, in order. */
async function resultsOf(id: string, tool: string) {
  return (await cluster.history(id))
    .flatMap(({ parts }) => parts)
    .filter((part) => part.type === "tool-result")
    .filter((part) => part.tool_name === tool)
    .map(({ output, is_error }) => ({ output, is_error }));
}

async function replyOf(id: string): Promise<unknown> {
  return (await cluster.history(id)).at(-1)?.parts;
}

/** Until nothing of the chat's step is left but waiting. */
async function untilIdleStep(id: string): Promise<void> {
  for (;;) {
    const rows = await cluster.rows<{ n: number }>(
      `select count(*)::integer as n from parley.slots where chat_id = '${id}'`,
    );
    if (rows[0]?.n === 0) return;
  }
}

describe("a sub-agent", () => {
  test("is called like the turn that started it, unless it is given a model of its own", async () => {
    const replica = await replicaWith({
      work: [spawn("alike"), spawn("other", { model: "test/other" }), says("done")],
      alike: [says("ok")],
      other: [says("ok")],
    });
    const id = await replica.create("work", {
      model_settings: { temperature: 0.3, provider_options: { test: { a: 1 } } },
      fallback_models: ["test/second"],
    });
    await cluster.untilIdle(id);
    const [alike, other] = await children(id);
    expect(alike).toMatchObject({
      model_settings: { temperature: 0.3, provider_options: { test: { a: 1 } } },
      fallback_models: ["test/second"],
    });
    expect(other).toMatchObject({
      model: "test/other",
      model_settings: null,
      fallback_models: null,
    });
  });

  test("is a chat of its own, below the one that started it; what it says last is the result", async () => {
    const replica = await replicaWith({
      work: [spawn("count the files", { title: "Counter" }), wait(), says("there are 3")],
      "count the files": [says("3 files")],
    });
    const id = await replica.create("work", { system_prompt: "Be brief." });
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    const child = await onlyChild(id);
    expect(child).toMatchObject({
      root_chat_id: id,
      owner_id: cluster.owner,
      title: "Counter",
      model: "test/model",
      system_prompt: "Be brief.",
      status: "waiting",
    });
    expect(await resultsOf(id, "spawn_agent")).toEqual([
      {
        is_error: false,
        output: { id: child.id, title: "Counter", model: "test/model", status: "running" },
      },
    ]);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      {
        is_error: false,
        output: {
          outcome: "ended",
          agents: [{ id: child.id, status: "finished", result: "3 files" }],
        },
      },
    ]);
    expect(await replyOf(id)).toEqual([{ type: "text", text: "there are 3" }]);
    expect(await cluster.history(child.id)).toMatchObject([
      { role: "user", created_by: null, parts: [{ text: "count the files" }] },
      { role: "assistant", parts: [{ text: "3 files" }] },
    ]);
  });

  test("takes after the model that the turn is answered with, unless it is given another", async () => {
    const replica = await replicaWith({
      work: [
        calls(
          ["a", "spawn_agent", { prompt: "one" }],
          ["b", "spawn_agent", { prompt: "two", model: "test/small", system_prompt: "Count." }],
          ["c", "spawn_agent", { prompt: "three", model: "other/model" }],
        ),
      ],
    });
    const id = await replica.create("work", { model: "test/large" });
    await cluster.untilIdle(id);
    const made = await children(id);
    expect(made).toHaveLength(2);
    expect(made).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ model: "test/large", system_prompt: null }),
        expect.objectContaining({ model: "test/small", system_prompt: "Count." }),
      ]),
    );
    expect((await resultsOf(id, "spawn_agent"))[2]).toMatchObject({
      is_error: true,
      output: expect.stringContaining('no model "other/model"'),
    });
  });

  test("can be told more, also after it has ended, and is listed with its own", async () => {
    const listed: unknown[] = [];
    const replica = await replicaWith({
      work: [
        spawn("begin"),
        wait(),
        async (speaker) => {
          const { id } = outputOf(speaker, "spawn_agent");
          speaker.call("tell", "message_agent", { id, content: "go on" });
          return "tool_calls";
        },
        wait(),
        calls(["list", "list_agents", {}]),
        async (speaker) => {
          listed.push(outputOf(speaker, "list_agents"));
          speaker.text("done");
        },
      ],
      begin: [spawn("deeper"), says("begun"), says("gone on")],
      deeper: [says("deep")],
    });
    const id = await replica.create("work");
    await cluster.untilIdle(id);
    const child = await onlyChild(id);
    await cluster.untilIdle(child.id);
    expect((await resultsOf(id, "wait_agents")).map(({ output }) => output)).toMatchObject([
      { agents: [{ result: "begun" }] },
      { agents: [{ id: child.id, result: "gone on" }] },
    ]);
    const grandchild = await onlyChild(child.id);
    expect(listed).toMatchObject([
      {
        agents: [
          { id: child.id, status: "finished" },
          { id: grandchild.id, parent_id: child.id },
        ],
      },
    ]);
    expect(grandchild.root_chat_id).toBe(id);
  });

  test("is stopped with what it started, and keeps what it said", async () => {
    const replica = await replicaWith({
      work: [
        spawn("talk"),
        async (speaker) => {
          const { id } = outputOf(speaker, "spawn_agent");
          await replica.models.request(4); // parent, child, parent, grandchild
          speaker.call("stop", "stop_agent", { id });
          return "tool_calls";
        },
        wait(),
      ],
      talk: [spawn("deeper"), hangs("I was saying")],
      deeper: [hangs("deep")],
    });
    const id = await replica.create("work");
    await cluster.untilIdle(id);
    const child = await onlyChild(id);
    expect(await resultsOf(id, "stop_agent")).toMatchObject([
      { is_error: false, output: { id: child.id, status: "stopping" } },
    ]);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { output: { outcome: "ended", agents: [{ id: child.id, status: "stopped" }] } },
    ]);
    const grandchild = await onlyChild(child.id);
    expect((await cluster.untilIdle(grandchild.id)).status).toBe("waiting");
  });

  test("that fails is told of as failed", async () => {
    const replica = await replicaWith({
      work: [spawn("fail"), wait()],
      fail: [fails("auth", false)],
    });
    const id = await replica.create("work");
    await cluster.untilIdle(id);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { output: { outcome: "ended", agents: [{ status: "failed", error: "scripted: auth" }] } },
    ]);
  });

  test("is nobody else's: other chats, and those above, cannot be waited for, told or stopped", async () => {
    const all = (id: string): Script =>
      calls(
        ["w", "wait_agents", { ids: [id] }],
        ["m", "message_agent", { id, content: "psst" }],
        ["s", "stop_agent", { id }],
      );
    const stranger = gated("undisturbed");
    const roles: Roles = { other: [stranger.script], work: [spawn("below"), wait()] };
    const replica = await replicaWith(roles);
    const other = await replica.create("other");
    const parent = Promise.withResolvers<string>();
    roles["below"] = [
      all(other),
      async (speaker) => await all(await parent.promise)(speaker),
      calls(["n", "message_agent", { id: "no id at all", content: "psst" }]),
    ];
    const id = await replica.create("work");
    parent.resolve(id);
    await cluster.untilIdle(id);
    const child = await onlyChild(id);
    const results = (await cluster.history(child.id))
      .flatMap(({ parts }) => parts)
      .filter((part) => part.type === "tool-result");
    expect(results).toHaveLength(7);
    for (const result of results) {
      expect(result).toMatchObject({
        is_error: true,
        output: expect.stringMatching(/^There is no sub-agent .* of yours/),
      });
    }
    stranger.say();
    await cluster.untilIdle(other);
    expect(await cluster.history(other)).toMatchObject([
      { role: "user" },
      { role: "assistant", parts: [{ text: "undisturbed" }], finish_reason: "stop" },
    ]);
  });
});

describe("limits", () => {
  test("of depth are told to the model", async () => {
    const replica = await replicaWith(
      {
        work: [spawn("below"), wait()],
        below: [spawn("too deep"), says("could not")],
      },
      { subAgents: { depthMax: 1 } },
    );
    const id = await replica.create("work");
    await cluster.untilIdle(id);
    const child = await onlyChild(id);
    expect(await children(child.id)).toEqual([]);
    expect(await resultsOf(child.id, "spawn_agent")).toMatchObject([
      { is_error: true, output: expect.stringContaining("1 levels deep") },
    ]);
  });

  test("of how many work at once hold for those started together, and for work given anew", async () => {
    const slow = gated("slow");
    const replica = await replicaWith(
      {
        work: [
          calls(
            ["a", "spawn_agent", { prompt: "slow" }],
            ["b", "spawn_agent", { prompt: "slow" }],
            ["c", "spawn_agent", { prompt: "slow" }],
          ),
          wait(),
        ],
        slow: [slow.script, slow.script],
      },
      { subAgents: { busyMax: 2 } },
    );
    const id = await replica.create("work");
    await slow.asked;
    await untilIdleStep(id);
    slow.say();
    await cluster.untilIdle(id);
    expect(await children(id)).toHaveLength(2);
    const refused = (await resultsOf(id, "spawn_agent")).filter(({ is_error }) => is_error);
    expect(refused).toMatchObject([{ output: expect.stringContaining("no more than 2") }]);
  });
});

describe("stopping", () => {
  test("reaches the whole family in one transaction; what is queued below is kept back", async () => {
    const replica = await replicaWith({
      work: [spawn("below"), wait()],
      below: [spawn("deeper"), wait()],
      deeper: [hangs("thinking")],
    });
    const id = await replica.create("work");
    await replica.models.request(5);
    await untilIdleStep(id);
    const child = await onlyChild(id);
    await untilIdleStep(child.id);
    await replica.send(child.id, "and then this");
    const grandchild = await onlyChild(child.id);
    await replica.interrupt(id);
    const statuses = [child.id, grandchild.id].map(async (each) => {
      const row = await cluster.chat(each);
      return ["interrupting", "waiting", "error"].includes(row.status);
    });
    expect(await Promise.all(statuses)).toEqual([true, true]);
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
    expect(await cluster.untilIdle(child.id)).toMatchObject({
      status: "error",
      last_error: { kind: "stopped" },
      queue_length: 1,
    });
    expect((await cluster.untilIdle(grandchild.id)).status).toBe("waiting");
    expect(await replyOf(grandchild.id)).toEqual([{ type: "text", text: "thinking" }]);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { is_error: true, output: expect.stringContaining("the user stopped the reply") },
    ]);
  });

  test("by a message that interrupts reaches it too, and by an edit", async () => {
    for (const how of ["interrupt", "edit"] as const) {
      const replica = await replicaWith({
        work: [spawn("below"), wait(), says("next")],
        below: [hangs("thinking")],
      });
      const id = await replica.create("work");
      await untilIdleStep(id);
      const child = await onlyChild(id);
      if (how === "interrupt") await replica.send(id, "something else", "interrupt");
      else {
        const [first] = await cluster.history(id);
        await replica.machine.update(id, async (bundle) => {
          await editMessage(bundle, {
            message_id: first?.id ?? 0,
            parts: [{ type: "text", text: "something else" }],
            client_id: null,
            created_by: null,
            keep_queue: false,
          });
        });
      }
      expect((await cluster.untilIdle(child.id)).status).toBe("waiting");
      expect((await cluster.untilIdle(id)).status).toBe("waiting");
      await cluster.reset();
    }
  });
});

describe("a wait", () => {
  test("whose time is up leaves the sub-agent at work", async () => {
    const slow = gated("at last");
    const replica = await replicaWith({
      work: [spawn("slow"), wait({ timeout_seconds: 60 }), wait(), says("done")],
      slow: [slow.script],
    });
    const id = await replica.create("work");
    await slow.asked;
    await untilIdleStep(id);
    while ((await resultsOf(id, "wait_agents")).length === 0) await replica.clock.advance(5_000);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { is_error: false, output: { outcome: "timeout", agents: [{ status: "running" }] } },
    ]);
    slow.say();
    await replica.passTime(cluster.untilIdle(id), stepMs);
    expect((await resultsOf(id, "wait_agents"))[1]).toMatchObject({
      output: { outcome: "ended", agents: [{ status: "finished", result: "at last" }] },
    });
  });

  test("ends early when its own chat is steered", async () => {
    const slow = gated("at last");
    const replica = await replicaWith({
      work: [spawn("slow"), wait(), says("I have heard you")],
      slow: [slow.script],
    });
    const id = await replica.create("work");
    await slow.asked;
    await untilIdleStep(id);
    await replica.send(id, "never mind the rest", "steer");
    await cluster.untilIdle(id);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { is_error: false, output: { outcome: "message", agents: [{ status: "running" }] } },
    ]);
    expect((await cluster.history(id)).map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "tool",
      "assistant",
      "tool",
      "user",
      "assistant",
    ]);
    const child = await onlyChild(id);
    expect(child.status).toBe("running");
    slow.say();
    await cluster.untilIdle(child.id);
  });

  test("is answered with an error when the sub-agent is deleted", async () => {
    const replica = await replicaWith({
      work: [spawn("slow"), wait(), says("a pity")],
      slow: [hangs()],
    });
    const id = await replica.create("work");
    await untilIdleStep(id);
    const child = await onlyChild(id);
    await replica.machine.update(child.id, deleteChat);
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { is_error: true, output: expect.stringContaining(`${child.id} was deleted`) },
    ]);
    expect(await replyOf(id)).toEqual([{ type: "text", text: "a pity" }]);
  });

  test("holds no slot and no capacity: one place is enough for a whole family", async () => {
    const slow = gated("deep");
    const replica = await replicaWith(
      {
        work: [spawn("below"), wait(), says("done")],
        below: [spawn("deeper"), wait(), says("done below")],
        deeper: [slow.script],
      },
      {
        worker: { capacity: 1 },
        limits: { roots: 1, sub_agents: 1 },
      },
    );
    const id = await replica.create("work");
    await replica.passTime(slow.asked, stepMs);
    const child = await onlyChild(id);
    const grandchild = await onlyChild(child.id);
    const held = await cluster.rows<{ chat_id: string }>(`select chat_id from parley.slots`);
    expect(held).toEqual([{ chat_id: grandchild.id }]);
    slow.say();
    await replica.passTime(cluster.untilIdle(id), stepMs);
    expect(await replyOf(id)).toEqual([{ type: "text", text: "done" }]);
    expect(await cluster.rows(`select chat_id from parley.slots`)).toEqual([]);
  });

  test("takes its slot back while another call of the batch works", async () => {
    const slow = gated("slow");
    const working = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const tool = defineTool({
      name: "work",
      description: "",
      input: { type: "object" },
      execute: async () => {
        begun.resolve();
        return await working.promise;
      },
    });
    const replica = await replicaWith(
      {
        work: [spawn("slow"), calls(["w", "wait_agents", {}], ["x", "work", {}]), says("done")],
        slow: [slow.script],
      },
      { tools: [tool] },
    );
    const id = await replica.create("work");
    await begun.promise;
    await slow.asked;
    const slots = async (): Promise<number> =>
      (await cluster.rows(`select 1 as one from parley.slots where chat_id = '${id}'`)).length;
    expect(await slots()).toBe(1);
    working.resolve("worked");
    await untilIdleStep(id);
    slow.say();
    await cluster.untilIdle(id);
    expect(await replyOf(id)).toEqual([{ type: "text", text: "done" }]);
  });
});

describe("between replicas", () => {
  /** A parent on a replica that is full with it, and its child on another. */
  async function apart(): Promise<{
    a: Replica;
    b: Replica;
    id: string;
    child: ChatRow;
    slow: ReturnType<typeof gated>;
  }> {
    const slow = gated("from afar");
    const gate = Promise.withResolvers<void>();
    const roles: Roles = {
      work: [
        spawn("slow"),
        async (speaker) => {
          await speaker.wait(gate.promise);
          return await wait()(speaker);
        },
        says("done"),
      ],
      slow: [slow.script],
    };
    const a = await replicaWith(roles, { worker: { capacity: 1 } });
    const b = await replicaWith(roles);
    const id = await a.create("work");
    await b.passTime(slow.asked, stepMs);
    gate.resolve();
    await untilIdleStep(id);
    const child = await onlyChild(id);
    expect(child.worker_id).toBe(b.worker.id);
    expect((await cluster.chat(id)).worker_id).toBe(a.worker.id);
    return { a, b, id, child, slow };
  }

  test("a wait ends with a child that another replica drives", async () => {
    const { id, slow } = await apart();
    slow.say();
    await cluster.untilIdle(id);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { output: { outcome: "ended", agents: [{ result: "from afar" }] } },
    ]);
  });

  test("also when nothing is heard of it", async () => {
    const { a, id, child, slow } = await apart();
    a.cutOff = true;
    slow.say();
    await cluster.untilIdle(child.id);
    await a.passTime(cluster.untilIdle(id), stepMs);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { output: { agents: [{ result: "from afar" }] } },
    ]);
  });

  test("a wait whose replica has died is begun again by the next one, and counts as no crash", async () => {
    const { a, b, id, slow } = await apart();
    await a.kill();
    await cluster.bury(b);
    const row = await cluster.until(id, ({ worker_id }) => worker_id === b.worker.id);
    expect(row.takeovers).toBe(0);
    await untilIdleStep(id);
    slow.say();
    await cluster.untilIdle(id);
    expect(await children(id)).toHaveLength(1);
    expect(await replyOf(id)).toEqual([{ type: "text", text: "done" }]);
  });

  test("a replica that stops gives back what only waits, at once", async () => {
    const { a, b, id, slow } = await apart();
    await a.worker.drain(3_600_000);
    await b.passTime(
      cluster.until(id, ({ worker_id }) => worker_id === b.worker.id),
      stepMs,
    );
    slow.say();
    await b.passTime(cluster.untilIdle(id), stepMs);
    expect(await replyOf(id)).toEqual([{ type: "text", text: "done" }]);
  });

  test("a runner whose turn was stopped starts, says and stops nothing any more", async () => {
    const begun = Promise.withResolvers<string>();
    const replica = await cluster.replica();
    cast(replica.models, { work: [spawn("late")] });
    const tools = subAgentTools(replica.subAgents, { offeredTo: () => true });
    const late = defineTool({
      name: "spawn_agent",
      description: "",
      input: { type: "object" },
      delivery: "at_least_once",
      execute: async (_input, { idempotencyKey }) => {
        begun.resolve(idempotencyKey);
        return await new Promise(() => {});
      },
    });
    replica.tools.register(late);
    const id = await replica.create("work");
    const idempotencyKey = await begun.promise;
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    const call = {
      chatId: id,
      idempotencyKey,
      signal: new AbortController().signal,
      progress: () => {},
      idle: async <T>(wait: () => Promise<T>) => await wait(),
    };
    const inputs = [
      ["spawn_agent", { prompt: "late" }],
      ["message_agent", { id, content: "late", when_busy: "queue" }],
      ["stop_agent", { id }],
    ] as const;
    for (const [name, input] of inputs) {
      const tool = tools.find((each) => each.name === name);
      await expect(tool?.execute(input, call)).rejects.toThrow("The call was stopped.");
    }
    expect(await children(id)).toEqual([]);
  });

  test("a call that died between making the child and telling of it finds that child", async () => {
    const made = Promise.withResolvers<void>();
    const roles: Roles = { work: [spawn("once")], once: [hangs()] };
    const dying = await cluster.replica();
    cast(dying.models, roles);
    const tools = subAgentTools(dying.subAgents, { offeredTo: () => true });
    for (const tool of tools) {
      dying.tools.register({
        ...tool,
        execute: async (input, context) => {
          await tool.execute(input, context);
          made.resolve();
          return await new Promise(() => {});
        },
      });
    }
    const id = await dying.create("work");
    await made.promise;
    const child = await onlyChild(id);
    await dying.kill();
    const next = await replicaWith({ work: [wait(), says("done")], once: [says("answered")] });
    await cluster.bury(next);
    await cluster.untilIdle(id);
    expect(await onlyChild(id)).toMatchObject({ id: child.id, status: "waiting" });
    expect(await resultsOf(id, "spawn_agent")).toMatchObject([
      { is_error: false, output: { id: child.id } },
    ]);
    expect(await resultsOf(id, "wait_agents")).toMatchObject([
      { output: { agents: [{ id: child.id, result: "answered" }] } },
    ]);
    expect(await cluster.history(child.id)).toHaveLength(2);
  });
});
