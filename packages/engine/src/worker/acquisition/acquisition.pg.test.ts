import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../../../test/replica.ts";
import { hangs, ScriptedModels } from "../../../test/scripted-models.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

describe("capacity", () => {
  test("is not exceeded; what waits is taken when there is room, in its turn", async () => {
    const replica = await cluster.replica({ worker: { capacity: 1 } });
    const gate = Promise.withResolvers<void>();
    replica.models.enqueue(async (speaker) => {
      speaker.text("one");
      await speaker.wait(gate.promise);
    });
    const first = await replica.create("first");
    await replica.models.request(1);
    const second = await replica.create("second");
    expect((await cluster.chat(second)).worker_id).toBeNull();
    expect(replica.worker.stats()).toMatchObject({ runners: 1, working: 1 });
    gate.resolve();
    await cluster.untilIdle(first);
    await cluster.untilIdle(second);
    expect(replica.models.requests).toHaveLength(2);
  });

  test("goes in turn over owners", async () => {
    const replica = await cluster.replica({ worker: { capacity: 1 }, start: false });
    const other = crypto.randomUUID();
    await cluster.sql(`insert into parley.principals (id, name) values ('${other}', 'other')`);
    const greedy = [];
    for (let i = 0; i < 3; i++) greedy.push(await replica.create(`greedy ${i}`, {}, false));
    const modest = await replica.create("modest", { owner_id: other }, false);
    await replica.worker.start();
    await Promise.all([...greedy, modest].map(async (id) => await cluster.untilIdle(id)));
    const order = replica.models.requests.map(({ messages }) => messages[0]?.parts[0]);
    expect(order.map((part) => (part?.type === "text" ? part.text : ""))).toEqual([
      "greedy 0",
      "modest",
      "greedy 1",
      "greedy 2",
    ]);
  });
});

test("a chat is found without any hint (invariant 8)", async () => {
  const replica = await cluster.replica();
  const silent = await cluster.replica({ worker: { capacity: 0 } });
  replica.cutOff = true;
  const id = await silent.create("hello", {}, false);
  expect((await cluster.chat(id)).worker_id).toBeNull();
  expect((await replica.passTime(cluster.untilIdle(id))).status).toBe("waiting");
});

test("two workers never take the same chat", async () => {
  const [a, b] = [await cluster.replica(), await cluster.replica()];
  const ids = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => await a.create(`chat ${i}`, {}, false)),
  );
  a.worker.resync();
  b.worker.resync();
  await Promise.all(ids.map(async (id) => await cluster.untilIdle(id)));
  for (const id of ids) expect(await cluster.history(id)).toHaveLength(2);
  expect(a.models.requests.length + b.models.requests.length).toBe(20);
});

test("a worker takes only what it can run (C36)", async () => {
  const here = await cluster.replica();
  const id = await here.create("hello", { model: "elsewhere/model" });
  const mine = await here.create("hello", {}, false);
  await cluster.untilIdle(mine);
  await here.clock.advance(3_000);
  expect((await cluster.chat(id)).worker_id).toBeNull();
  const elsewhere = await cluster.replica({ models: new ScriptedModels("elsewhere") });
  elsewhere.worker.resync();
  expect((await elsewhere.passTime(cluster.untilIdle(id))).status).toBe("waiting");
});

test("an idle worker opens no write transactions to look for work", async () => {
  const replica = await cluster.replica();
  const before = replica.database.stats.snapshot();
  await replica.clock.advance(2_500);
  const { operations } = replica.database.stats.since(before);
  expect(operations["worker.acquire"]).toBeUndefined();
});

test("each acquisition is a bundle: bumped by one, and published", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(hangs());
  const id = await replica.create("hello", {}, false);
  await replica.models.request(1);
  const versions = replica.commits
    .filter(({ chat }) => chat.id === id)
    .map(({ chat }) => [chat.snapshot_version, chat.worker_id !== null, chat.generation_attempt]);
  expect(versions).toEqual([
    [1, false, 0],
    [2, true, 0],
    [3, true, 1],
  ]);
});

test("a chat that waits for its client leaves its room to another", async () => {
  const replica = await cluster.replica({ worker: { capacity: 1 } });
  const gate = Promise.withResolvers<void>();
  replica.models.enqueue(async (speaker) => {
    await speaker.wait(gate.promise);
    speaker.call("c1", "ask");
    return "tool_calls";
  });
  const asking = await replica.create("ask", {
    client_tools: [{ name: "ask", input_schema: { type: "object" } }],
  });
  await replica.models.request(1);
  const other = await replica.create("other");
  expect((await cluster.chat(other)).worker_id).toBeNull();
  gate.resolve();
  expect((await cluster.untilIdle(other)).status).toBe("waiting");
  expect((await cluster.chat(asking)).worker_id).toBe(replica.worker.id);
});
