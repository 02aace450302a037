import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { Cluster } from "../../test/replica.ts";
import { calls, fails, hangs, says, type Script } from "../../test/scripted-models.ts";
import { switchMs } from "../models/fallback.ts";
import { defineTool } from "../tools/tool.ts";

/** Models that stand in while the provider of the one that was asked for is down. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

const fallback_models = ["test/second", "test/third"];
const down = (n: number): Script[] => Array.from({ length: n }, () => fails("overloaded"));
const look = defineTool({
  name: "look",
  description: "",
  input: z.strictObject({}),
  execute: () => "seen",
});

type Replica = Awaited<ReturnType<Cluster["replica"]>>;
const asked = ({ models }: Replica): string[] => models.requests.map(({ model }) => model);

describe("while a provider is down", () => {
  test("the next model stands in after three tries; people see which, and why", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(...down(3), hangs("from the second "));
    const id = await replica.create("hello", { fallback_models });
    const switching = replica.passTime(
      cluster.until(id, (row) => row.retry_state?.next_model === "test/second"),
    );
    expect((await switching).retry_state).toMatchObject({
      attempt: 3,
      kind: "overloaded",
      model: "test/model",
      next_model: "test/second",
      delay_ms: switchMs,
    });
    await replica.passTime(replica.models.request(4));
    expect(asked(replica)).toEqual(["test/model", "test/model", "test/model", "test/second"]);
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    const kept = (await cluster.history(id)).at(-1);
    expect(kept).toMatchObject({ model: "test/second", finish_reason: "interrupted" });
  });

  test("it stays for the turn; the next turn begins with what was asked for", async () => {
    const replica = await cluster.replica({ tools: [look] });
    replica.models.enqueue(...down(3), calls(["c1", "look"]), says("done"), says("back"));
    const id = await replica.create("hello", { fallback_models });
    await replica.passTime(cluster.untilIdle(id));
    await replica.send(id, "again");
    await replica.passTime(cluster.untilIdle(id));
    expect(asked(replica).slice(3)).toEqual(["test/second", "test/second", "test/model"]);
    const wrote = (await cluster.history(id)).filter(({ role }) => role === "assistant");
    expect(wrote.map(({ model }) => model)).toEqual(["test/second", "test/second", "test/model"]);
  });

  test("all of them are tried in turn, then the first again", async () => {
    const failed: string[] = [];
    const replica = await cluster.replica({
      observer: { retry: ({ model }) => void failed.push(model) },
    });
    replica.models.enqueue(...down(9), says("at last"));
    const id = await replica.create("hello", { fallback_models });
    await replica.passTime(cluster.untilIdle(id));
    expect(asked(replica).filter((_, at) => at % 3 === 0)).toEqual([
      "test/model",
      "test/second",
      "test/third",
      "test/model",
    ]);
    expect(failed).toEqual(asked(replica).slice(0, 9));
    expect((await cluster.history(id)).at(-1)).toMatchObject({ model: "test/model" });
  });

  test("those of the deployment stand in where the chat names none, and none where it wants none", async () => {
    const replica = await cluster.replica();
    replica.models.traits.set("test/model", { fallback_models: ["test/third"] });
    replica.models.enqueue(...down(3), says("one"), ...down(3), says("two"));
    const one = await replica.create();
    await replica.passTime(cluster.untilIdle(one));
    const two = await replica.create("hello", { fallback_models: [] });
    await replica.passTime(cluster.untilIdle(two));
    expect((await cluster.history(one)).at(-1)).toMatchObject({ model: "test/third" });
    expect((await cluster.history(two)).at(-1)).toMatchObject({ model: "test/model" });
  });
});

test("whoever takes the chat over in the middle goes on with the model that stood in", async () => {
  const first = await cluster.replica();
  first.models.enqueue(...down(3), hangs("half "));
  const id = await first.create("hello", { fallback_models });
  await first.passTime(first.models.request(4));
  await first.checkpoints.flush();
  await first.kill();
  const second = await cluster.replica();
  second.models.enqueue(says("whole"));
  await cluster.bury(second);
  await cluster.untilIdle(id);
  expect(asked(second)).toEqual(["test/second"]);
  expect((await cluster.history(id)).at(-1)).toMatchObject({ model: "test/second" });
});

test("what a dead owner's stand-in had said is kept under its name", async () => {
  const first = await cluster.replica();
  first.models.enqueue(...down(3), hangs("half "));
  const id = await first.create("hello", { fallback_models });
  await first.passTime(first.models.request(4));
  await first.checkpoints.flush();
  await first.kill();
  const second = await cluster.replica();
  await second.interrupt(id);
  await cluster.bury(second);
  await cluster.untilIdle(id);
  expect((await cluster.history(id)).at(-1)).toMatchObject({
    model: "test/second",
    finish_reason: "interrupted",
    parts: [{ type: "text", text: "half " }],
  });
});

describe("a model does not stand in", () => {
  test.each([
    ["that the conversation does not fit into", { context_window_tokens: 1 }],
    [
      "that cannot call the tools of the turn",
      { capabilities: { images: null, files: null, tools: false, reasoning: null } },
    ],
  ])("%s", async (_, traits) => {
    const replica = await cluster.replica({ tools: [look] });
    replica.models.traits.set("test/second", traits);
    replica.models.enqueue(calls(["c1", "look"]), ...down(3), says("ok"));
    const id = await replica.create("hello there", { fallback_models });
    await replica.passTime(cluster.untilIdle(id));
    expect(asked(replica).at(-1)).toBe("test/third");
  });

  test("for what is wrong with the request or the key", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(fails("auth", false));
    const id = await replica.create("hello", { fallback_models });
    expect((await cluster.untilIdle(id)).last_error).toMatchObject({ kind: "auth" });
    expect(asked(replica)).toEqual(["test/model"]);
  });

  test("once it has shown that it cannot be called: the next one does", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(...down(3), fails("auth", false), says("ok"));
    const id = await replica.create("hello", { fallback_models });
    await replica.passTime(cluster.untilIdle(id));
    expect(asked(replica).slice(3)).toEqual(["test/second", "test/third"]);
  });
});

test("an account that is used up is passed on at once", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(fails("quota", false), says("ok"));
  const id = await replica.create("hello", { fallback_models });
  await replica.passTime(cluster.untilIdle(id));
  expect(asked(replica)).toEqual(["test/model", "test/second"]);
});

test("settings and effort go along to the call, those of the message over those of the chat", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(says("one"), ...down(3), says("two"));
  const id = await replica.create("hello", {
    fallback_models,
    model_settings: { temperature: 0.1, top_p: 0.5 },
  });
  await cluster.untilIdle(id);
  const over = { model_settings: { temperature: 0.9 }, reasoning_effort: "low" };
  await replica.send(id, "again", "queue", over as { model?: string });
  await replica.passTime(cluster.untilIdle(id));
  const [first, ...others] = replica.models.requests;
  expect(first).toMatchObject({ settings: { temperature: 0.1, top_p: 0.5 } });
  for (const request of others) {
    expect(request).toMatchObject({
      settings: { temperature: 0.9, top_p: 0.5 },
      reasoning_effort: "low",
    });
  }
});
