import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Cluster, type Replica } from "../../test/replica.ts";
import { fails, hangs, says, type Script } from "../../test/scripted-models.ts";
import { requestCompaction } from "../machine/transitions/request-compaction.ts";

/** Who writes a summary where the model that is configured for summaries cannot: the chat's own, once. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

const worker = { compaction: { model: "test/small" } };
const times = (n: number, script: Script): Script[] => Array.from({ length: n }, () => script);
const asked = ({ models }: Replica): string[] => models.requests.map(({ model }) => model);

const times5 = Array.from({ length: 5 }, () => "test/model");

async function compact(replica: Replica, id: string): Promise<void> {
  await replica.machine.update(id, async (bundle) => await requestCompaction(bundle), {
    acquire: true,
    operation: "api.compact",
  });
}

async function compacted(replica: Replica, ...scripts: Script[]): Promise<string> {
  replica.models.enqueue(says("hi"), ...scripts);
  const id = await replica.create("hello");
  await cluster.untilIdle(id);
  await compact(replica, id);
  return id;
}

test("one that fails for good gives over to the chat's model, and people see it", async () => {
  const replica = await cluster.replica({ worker });
  const id = await compacted(replica, fails("auth", false), says("in short"));
  const row = await replica.passTime(cluster.untilIdle(id));
  expect(row).toMatchObject({ status: "waiting", last_error: null });
  expect(asked(replica)).toEqual(["test/model", "test/small", "test/model"]);
  const shown = (await cluster.history(id)).find(({ visibility }) => visibility === "user");
  expect(shown).toMatchObject({ model: "test/model" });
});

test("one whose provider is down is tried three times", async () => {
  const replica = await cluster.replica({ worker });
  const id = await compacted(replica, ...times(3, fails("overloaded")), says("in short"));
  await replica.passTime(cluster.untilIdle(id));
  expect(asked(replica).slice(1)).toEqual(["test/small", "test/small", "test/small", "test/model"]);
});

test("never in a loop: where the chat's model fails as well, that is the end", async () => {
  const replica = await cluster.replica({ worker });
  const id = await compacted(replica, fails("auth", false), fails("config", false), says("never"));
  const row = await replica.passTime(cluster.untilIdle(id));
  expect(row.last_error).toMatchObject({ kind: "config" });
  expect(asked(replica).slice(1)).toEqual(["test/small", "test/model"]);
});

test("a chat's model that has to be tried again stays the one that is tried", async () => {
  const replica = await cluster.replica({ worker });
  const id = await compacted(
    replica,
    fails("quota", false),
    ...times(4, fails("server")),
    says("in short"),
  );
  await replica.passTime(cluster.untilIdle(id));
  expect(asked(replica).slice(1)).toEqual(["test/small", ...times5]);
});

test("a new owner goes on with the one that has taken over during its back-off", async () => {
  const replica = await cluster.replica({ worker });
  const id = await compacted(replica, fails("auth", false), fails("server"));
  await replica.passTime(replica.models.request(3), 10);
  await cluster.until(id, (row) => row.retry_state?.attempt === 2);
  await replica.kill();
  const next = await cluster.replica({ worker });
  next.models.enqueue(says("in short"));
  await cluster.bury(next);
  await next.passTime(cluster.untilIdle(id));
  expect(asked(next)).toEqual(["test/model"]);
});

test("the chat's model gives over to those that stand in for it; the next turn begins with it again", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(
    says("hi"),
    ...times(3, fails("overloaded")),
    says("in short"),
    says("done"),
  );
  const id = await replica.create("hello", { fallback_models: ["test/second"] });
  await cluster.untilIdle(id);
  await compact(replica, id);
  await replica.passTime(cluster.untilIdle(id));
  await replica.send(id, "next");
  await replica.passTime(cluster.untilIdle(id));
  expect(asked(replica).slice(3)).toEqual(["test/model", "test/second", "test/model"]);
});

test("a conversation that has to be compacted for a model that is down is answered by one with room", async () => {
  const replica = await cluster.replica();
  replica.models.windows.set("test/model", 1_000);
  const fills: Script = async (speaker) => {
    speaker.text("ok");
    speaker.usage = { input_tokens: 700, output_tokens: 0 };
  };
  replica.models.enqueue(fills, ...times(3, fails("overloaded")), says("an answer"));
  const id = await replica.create("hello", { fallback_models: ["test/second"] });
  await cluster.untilIdle(id);
  await replica.send(id, "next");
  await replica.passTime(cluster.untilIdle(id));
  expect(asked(replica).slice(1)).toEqual([...times5.slice(0, 3), "test/second"]);
  expect((await cluster.history(id)).at(-1)).toMatchObject({
    model: "test/second",
    parts: [{ type: "text", text: "an answer" }],
  });
});

test("a summary that is stopped leaves nothing, whoever was writing it", async () => {
  const replica = await cluster.replica({ worker });
  const id = await compacted(replica, fails("auth", false), hangs());
  await replica.passTime(replica.models.request(3));
  await replica.interrupt(id);
  await cluster.untilIdle(id);
  expect(await cluster.history(id)).toHaveLength(2);
});
