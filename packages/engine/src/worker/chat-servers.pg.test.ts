import type { McpServer } from "@parley/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../test/eventually.ts";
import { startMcpHttp, type McpHttpOptions, type McpHttpServer } from "../../test/mcp-server.ts";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, says, type Script } from "../../test/scripted-models.ts";
import { chatDefinition } from "../tools/mcp/chat-definition.ts";
import type { McpServerDefinition } from "../tools/mcp/definition.ts";
import { defineTool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

async function remote(options: McpHttpOptions = {}): Promise<McpHttpServer> {
  const server = await startMcpHttp(options);
  onTestFinished(async () => await server.close());
  return server;
}

const deployed = (name: string, url: string): McpServerDefinition => ({
  name,
  endpoint: { type: "http", url, headers: {}, auth: null },
  allow: null,
  deny: [],
  approval: "never",
  delivery: "annotated",
  timeoutMs: 60_000,
  outputBytesMax: 65_536,
});

const nowhere = "http://127.0.0.1:1/mcp";

/** A chat with a turn under way, in which the model says what the scripts say. */
async function chatWith(
  replica: Replica,
  servers: readonly McpServer[],
  ...scripts: Script[]
): Promise<string> {
  replica.models.enqueue(...scripts);
  return await replica.create("hello", {}, true, servers);
}

async function resultsOf(chatId: string): Promise<unknown[]> {
  const history = await cluster.history(chatId);
  return history
    .flatMap(({ role, parts }) => (role === "tool" ? parts : []))
    .map((part) => (part.type === "tool-result" ? part.output : null));
}

/** How often people were told something new of tool servers. */
function noticesTold(replica: Replica): number {
  return replica.commits.filter(({ chat, before }) => {
    return JSON.stringify(chat.notices) !== JSON.stringify(before?.notices ?? []);
  }).length;
}

async function offered(replica: Replica, n: number): Promise<string[]> {
  return (await replica.models.request(n)).tools.map(({ name }) => name);
}

describe("servers that chats bring along", () => {
  test("each chat has its own, with its own credentials, allowed and denied tools", async () => {
    const one = await remote({ token: "token-one", script: { extra: ["first"] } });
    const two = await remote({ script: { extra: ["second"] } });
    const replica = await cluster.replica({ mcp: [] });
    const a = await chatWith(
      replica,
      [{ name: "mine", url: one.url, token: "token-one" }],
      calls(["c1", "mine__first"], ["c2", "mine__echo", { text: "a" }]),
      says("done"),
    );
    await cluster.untilIdle(a);
    expect(await resultsOf(a)).toEqual(["first", "a"]);
    expect(await offered(replica, 1)).toEqual(expect.arrayContaining(["mine__env", "mine__first"]));
    const limits = { allow: ["e*", "second"], deny: ["env"] };
    const b = await chatWith(
      replica,
      [{ name: "mine", url: two.url, headers: { "x-key": "k" }, ...limits }],
      calls(["c1", "mine__second"], ["c2", "mine__first"], ["c3", "mine__env"]),
      says("done"),
    );
    await cluster.untilIdle(b);
    expect(await offered(replica, 3)).toEqual(["mine__echo", "mine__second"]);
    expect(await resultsOf(b)).toEqual([
      "second",
      expect.stringContaining("no tool"),
      expect.stringContaining("no tool"),
    ]);
    expect(two.seen.every(({ headers }) => headers["x-key"] === "k")).toBe(true);
    expect((await cluster.chat(a)).notices).toEqual([]);
  });

  test("a change of them takes effect at the next step", async () => {
    const one = await remote({ script: { extra: ["first"] } });
    const two = await remote({ script: { extra: ["second"] } });
    const replica = await cluster.replica({ mcp: [] });
    const brought = Promise.withResolvers<void>();
    const id = await chatWith(
      replica,
      [{ name: "one", url: one.url }],
      async (speaker) => {
        await speaker.wait(brought.promise);
        speaker.call("c1", "one__first");
        speaker.call("c2", "two__second");
      },
      says("done"),
    );
    expect(await offered(replica, 1)).toContain("one__first");
    await replica.bring(id, [{ name: "two", url: two.url }]);
    brought.resolve();
    await cluster.untilIdle(id);
    expect(await resultsOf(id)).toEqual([expect.stringContaining("no tool"), "second"]);
    expect(await offered(replica, 2)).toContain("two__second");
    expect(await offered(replica, 2)).not.toContain("one__first");
  });

  test("a call goes on at another replica, which has never heard of the server, where its owner died", async () => {
    const held = Promise.withResolvers<void>();
    const seen: unknown[] = [];
    const keys: unknown[] = [];
    const server = await remote({
      script: {
        held: held.promise,
        onCall: (_tool, args, meta) => {
          seen.push(args);
          keys.push((meta as Record<string, unknown>)["parley/idempotency-key"]);
        },
      },
    });
    const first = await cluster.replica({ mcp: [] });
    const second = await cluster.replica({ mcp: [] });
    second.models.enqueue(says("done"));
    const id = await chatWith(
      first,
      [
        { name: "far", url: server.url },
        { name: "down", url: nowhere },
      ],
      calls(["c1", "far__echo", { text: "again" }]),
    );
    await eventually("the call runs", () => seen.length === 1);
    await first.kill();
    await cluster.bury(second);
    await eventually("it runs once more", () => seen.length === 2);
    held.resolve();
    await cluster.untilIdle(id);
    expect(keys[0]).toBe(keys[1]);
    expect(await resultsOf(id)).toEqual(["again"]);
    expect(await offered(second, 1)).toContain("far__echo");
    // Whoever takes over does not know yet that the other one is down, and takes nothing back.
    expect(noticesTold(first) + noticesTold(second)).toBe(1);
  });

  test("calls of its own tools and of one that only another replica has go there together (C36)", async () => {
    const server = await remote();
    const fresh = defineTool({ name: "fresh", description: "", input: {}, execute: () => "ran" });
    const lacks = await cluster.replica({ mcp: [] });
    const has = await cluster.replica({ mcp: [], tools: [fresh] });
    has.models.enqueue(says("done"));
    const id = await chatWith(
      lacks,
      [{ name: "mine", url: server.url }],
      calls(["c1", "fresh"], ["c2", "mine__echo", { text: "too" }]),
    );
    await cluster.untilIdle(id);
    expect(await resultsOf(id)).toEqual(["ran", "too"]);
    expect(has.models.requests).toHaveLength(1);
  });

  test("a sub-agent has the servers of the chat that started it", async () => {
    const server = await remote({ script: { extra: ["tool"] } });
    const replica = await cluster.replica({ mcp: [], subAgents: {} });
    const id = await chatWith(
      replica,
      [{ name: "far", url: server.url }],
      calls(["c1", "spawn_agent", { prompt: "work" }]),
    );
    await replica.models.request(3);
    await cluster.untilIdle(id);
    const children = await cluster.rows<{ id: string }>(
      `select id from parley.chats where parent_chat_id = '${id}'`,
    );
    await cluster.untilIdle(children[0]?.id ?? "");
    for (const n of [2, 3]) expect(await offered(replica, n)).toContain("far__tool");
  });
});

function isUp(replica: Replica, server: McpServer): boolean {
  return replica.mcp?.health([chatDefinition(server)])[0]?.state === "up";
}

describe("a server that is down", () => {
  const usesOne = [calls(["c1", "here__echo", { text: "x" }]), says("done")];

  test("costs one notice, and the turn goes on without it; the notice ends with the outage", async () => {
    const here = await remote();
    const replica = await cluster.replica({ mcp: [] });
    const servers = [
      { name: "here", url: here.url },
      { name: "down", url: nowhere, token: "secret-token" },
    ];
    const id = await chatWith(replica, servers, ...usesOne);
    const after = await cluster.untilIdle(id);
    expect(await resultsOf(id)).toEqual(["x"]);
    expect(after.notices).toEqual([
      {
        kind: "tool_server_down",
        server: "down",
        problem: "nothing listens there",
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      },
    ]);
    expect(noticesTold(replica)).toBe(1);
    // Another turn, another try: it is the same outage.
    replica.models.enqueue(...usesOne);
    await replica.clock.advance(3_000);
    await replica.send(id, "again");
    const again = await cluster.untilIdle(id);
    expect(again.notices).toEqual(after.notices);
    expect(noticesTold(replica)).toBe(1);
    await replica.bring(id, [{ name: "here", url: here.url }]);
    await replica.send(id, "without");
    expect((await cluster.untilIdle(id)).notices).toEqual([]);
  });

  test("a server that comes back is there for the next turn", async () => {
    const before = await remote({ script: { extra: ["tool"] } });
    const port = Number(new URL(before.url).port);
    await before.close();
    const replica = await cluster.replica({ mcp: [] });
    const far = { name: "far", url: before.url };
    const id = await chatWith(replica, [far]);
    expect((await cluster.untilIdle(id)).notices).toMatchObject([{ server: "far" }]);
    await remote({ port, script: { extra: ["tool"] } });
    await replica.clock.advance(3_000);
    await replica.send(id, "again");
    await cluster.untilIdle(id);
    await eventually("it is connected", () => isUp(replica, far));
    replica.models.enqueue(calls(["c9", "far__tool"]), says("done"));
    await replica.send(id, "once more");
    expect((await cluster.untilIdle(id)).notices).toEqual([]);
    expect(await resultsOf(id)).toEqual(["tool"]);
  });

  test("one that never answers is waited for once, not with every step", async () => {
    const silent = await remote({ silent: true });
    const here = await remote();
    const replica = await cluster.replica({ mcp: [] });
    const id = await chatWith(
      replica,
      [
        { name: "here", url: here.url },
        { name: "slow", url: silent.url },
      ],
      calls(["c1", "here__echo", { text: "1" }]),
      calls(["c2", "here__echo", { text: "2" }]),
      says("done"),
    );
    await eventually("it is asked", () => silent.seen.length > 0 && here.seen.length > 2);
    expect(replica.models.requests).toHaveLength(0);
    await replica.clock.advance(5_000);
    // No time passes from here on: nobody waits any more.
    const after = await cluster.untilIdle(id);
    expect(await resultsOf(id)).toEqual(["1", "2"]);
    expect(after.notices).toMatchObject([{ server: "slow", problem: "it has not answered yet" }]);
  });

  test("a stop while a server is waited for is a stop (C41)", async () => {
    const silent = await remote({ silent: true });
    const replica = await cluster.replica({ mcp: [] });
    const id = await chatWith(replica, [{ name: "slow", url: silent.url }]);
    await eventually("it is asked", () => silent.seen.length > 0);
    await replica.interrupt(id);
    await cluster.untilState(id, "W");
    expect(replica.models.requests).toHaveLength(0);
  });

  test("the deployment's servers are told of too, in each chat that works", async () => {
    const replica = await cluster.replica({ mcp: [deployed("ours", nowhere)] });
    const ids = [await replica.create(), await replica.create()];
    for (const id of ids) {
      expect((await cluster.untilIdle(id)).notices).toMatchObject([{ server: "ours" }]);
    }
  });

  test("where the key is another one now, people are asked for the servers again", async () => {
    const here = await remote();
    const replica = await cluster.replica({ mcp: [] });
    const id = await chatWith(replica, [{ name: "here", url: here.url }]);
    await cluster.untilIdle(id);
    const asked = here.seen.length;
    await cluster.sql(`update parley.chat_mcp_servers set sealed = 'other'::bytea`);
    await replica.send(id, "go");
    const { notices } = await cluster.untilIdle(id);
    expect(notices).toMatchObject([
      { server: "here", problem: expect.stringContaining("give them") },
    ]);
    expect(here.seen).toHaveLength(asked);
  });
});

test("a chat without servers costs no statement more, and one with servers costs one", async () => {
  const server = await remote();
  const ours = defineTool({ name: "ours", description: "", input: {}, execute: () => "x" });
  const cost = async (replica: Replica, servers: readonly McpServer[]): Promise<number> => {
    const before = replica.database.stats.snapshot();
    const id = await chatWith(
      replica,
      servers,
      calls(["c1", "ours"]),
      calls(["c2", "ours"]),
      says("done"),
    );
    await cluster.untilIdle(id);
    const { operations } = replica.database.stats.since(before);
    const steps = Object.entries(operations).filter(([name]) => turnOperations.has(name));
    return steps.reduce((sum, [, { statements }]) => sum + statements, 0);
  };
  const without = await cluster.replica({ tools: [ours] });
  const plain = await cost(without, []);
  await without.stop();
  const replica = await cluster.replica({ tools: [ours], mcp: [deployed("far", server.url)] });
  expect(await cost(replica, [])).toBe(plain);
  expect(await cost(replica, [{ name: "mine", url: server.url }])).toBe(plain + 1);
});

const turnOperations: ReadonlySet<string> = new Set([
  "worker.begin",
  "worker.step",
  "worker.tool_result",
  "worker.servers",
  "worker.notice",
]);

test("tools of the deployment that appear later are told to other workers", async () => {
  const script = { extra: ["early"] };
  const server = await remote({ script });
  const replica = await cluster.replica({ mcp: [deployed("ours", server.url)] });
  const told = async (): Promise<string[]> => {
    const [row] = await cluster.rows<{ tools: string[] }>(`select tools from parley.workers`);
    return row?.tools ?? [];
  };
  expect(await told()).toContain("ours__early");
  expect(await told()).not.toContain("ours__late");
  script.extra.push("late");
  server.toolsChanged();
  await eventually("the list is known", () => replica.tools.get("ours__late") !== undefined);
  await eventually("the row names it", async () => {
    await replica.clock.advance(1_000);
    return (await told()).includes("ours__late");
  });
});
