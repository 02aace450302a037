import type { Chat } from "@parley/protocol";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createEngines, type Engines, type RunningEngine } from "./engines.ts";
import { eventually } from "./eventually.ts";
import { follow, settled } from "./follow.ts";
import { gate } from "./provider-server.ts";
import { fails, says, type Script } from "./scripted-models.ts";

/** Two whole replicas over one database; everything is real but the models, which are written by the tests. */

let engines: Engines;
let one: RunningEngine;
let two: RunningEngine;

beforeAll(async () => {
  engines = await createEngines();
  const env = { PARLEY_TITLE_MODEL: "test/small" };
  [one, two] = await Promise.all([engines.start({ env }), engines.start({ env })]);
});
beforeEach(() => {
  for (const { models } of [one, two]) models.requests.length = 0;
});
afterAll(async () => await engines.close());

const titleCalls = (): number =>
  [one, two].flatMap(({ models }) => models.requests).filter(({ purpose }) => purpose === "title")
    .length;

async function ask({ client, models }: RunningEngine, ...scripts: Script[]): Promise<Chat> {
  models.enqueue(says("It needs 500 g."), ...scripts);
  const { chat } = await client.createChat({ content: "How much flour does bread need?" });
  await follow(client, chat.id, { until: (now) => settled(now) && now.messages.length === 2 });
  return chat;
}

async function titled(id: string, title: string | null, engine = one): Promise<Chat> {
  return await eventually(`the title is ${title}`, async () => {
    const chat = await engine.client.getChat(id);
    return chat.title === title ? chat : undefined;
  });
}

async function idle(): Promise<void> {
  await eventually("no title is being made", async () => {
    const rows = await engines.database.database.one<{ n: number }>({
      name: "test.claims",
      text: "select count(*)::integer as n from parley.chat_titles",
    });
    return rows[0]?.n === 0;
  });
}

test("a chat is named once, after its first answered turn, by the model for it", async () => {
  const live = follow(two.client, (await ask(one, says('**"Flour for bread."**'))).id, {
    until: ({ chat }) => (chat?.title ?? null) !== null,
  });
  const { transcript } = await live;
  expect(transcript.chat?.title).toBe("Flour for bread");
  const [, request] = one.models.requests;
  expect(request).toMatchObject({ purpose: "title", model: "test/small", tools: [] });
  const prompt = JSON.stringify(request?.messages);
  expect(prompt).toContain("How much flour does bread need?");
  expect(prompt).toContain("It needs 500 g.");
  await idle();
  const id = transcript.chat?.id ?? "";
  one.models.enqueue(says("And 300 ml."));
  await one.client.sendMessage(id, { content: "And water?" });
  await follow(one.client, id, { until: (now) => settled(now) && now.messages.length === 4 });
  await idle();
  expect(titleCalls()).toBe(1);
});

test("it comes over the list's stream, and what it has used is counted", async () => {
  const { id } = await ask(one, async (speaker) => {
    speaker.text("Flour");
    speaker.usage = { input_tokens: 40, output_tokens: 2, total_tokens: 42 };
  });
  for await (const event of two.client.watch()) {
    if (event.type === "chat" && event.data.id === id && event.data.title === "Flour") break;
  }
  const { own } = await one.client.usage(id);
  expect(own.models.find(({ model }) => model === "test/small")).toMatchObject({
    input_tokens: 40,
    output_tokens: 2,
  });
});

test("nothing waits for it, and a person's own title wins", async () => {
  const { promise, open } = gate();
  const { id } = await ask(one, async (speaker) => {
    await speaker.wait(promise);
    speaker.text("Flour");
  });
  await one.models.request(2);
  one.models.enqueue(says("And 300 ml."));
  await one.client.sendMessage(id, { content: "And water?" });
  await follow(one.client, id, { until: (now) => settled(now) && now.messages.length === 4 });
  await two.client.title(id, "Mine");
  open();
  await idle();
  expect((await one.client.getChat(id)).title).toBe("Mine");
});

test.each<[string, Script]>([
  ["fails", fails("auth", false)],
  ["says nothing of use", says('""')],
])("where the model %s, the first words stand, and nothing is tried again", async (_, script) => {
  const { id } = await ask(one, script);
  await titled(id, "How much flour does bread need?");
  one.models.enqueue(says("And 300 ml."));
  await one.client.sendMessage(id, { content: "And water?" });
  await follow(one.client, id, { until: (now) => settled(now) && now.messages.length === 4 });
  await idle();
  expect(titleCalls()).toBe(1);
});

test("a turn that was stopped or failed names nothing", async () => {
  one.models.enqueue(fails("auth", false, "It"));
  const { chat } = await one.client.createChat({ content: "How much flour?" });
  await follow(one.client, chat.id, { until: ({ error }) => error !== null });
  await idle();
  expect((await one.client.getChat(chat.id)).title).toBeNull();
  expect(titleCalls()).toBe(0);
});

test("asked for anew on two servers at once, it is made once", async () => {
  const { id } = await ask(one, says("Flour"));
  await titled(id, "Flour");
  await idle();
  // Servers of its own: the script of the one that comes too late is left over.
  const env = { PARLEY_TITLE_MODEL: "test/small" };
  const both = await Promise.all([engines.start({ env }), engines.start({ env })]);
  const made = (): number => both.reduce((sum, { models }) => sum + models.requests.length, 0);
  const { promise, open } = gate();
  for (const { models } of both) {
    models.enqueue(async (speaker) => {
      await speaker.wait(promise);
      speaker.text("Bread");
    });
  }
  await Promise.all(both.map(async ({ client }) => await client.makeTitle(id)));
  await eventually("both have looked, and one of them asks a model", () => {
    const claims = both.map(
      ({ replica }) => replica.database.stats.snapshot().operations["titles.claim"]?.writes,
    );
    return made() > 0 && claims.every((writes) => writes === 1);
  });
  open();
  await titled(id, "Bread");
  await Promise.all(both.map(async ({ replica }) => await replica.stop()));
  expect(made()).toBe(1);
});

test("a repeated wish is one wish", async () => {
  const { id } = await ask(one, says("Flour"));
  await titled(id, "Flour");
  await idle();
  one.models.enqueue(says("Bread"));
  await one.client.makeTitle(id, { idempotencyKey: "the same" });
  await titled(id, "Bread");
  await idle();
  await one.client.makeTitle(id, { idempotencyKey: "the same" });
  await one.client.title(id, "Mine");
  expect(titleCalls()).toBe(2);
});

test("where a budget is used up no model is asked", async () => {
  one.models.enqueue(says("It needs 500 g."));
  const { chat } = await one.client.createChat({
    content: "How much flour?",
    budget: { tokens: 30_000 },
  });
  await titled(chat.id, "ok");
  await idle();
  expect(titleCalls()).toBe(1);

  one.models.enqueue(async (speaker) => {
    speaker.text("A lot.");
    speaker.usage = { input_tokens: 30_000, output_tokens: 10, total_tokens: 30_010 };
  });
  const poor = await one.client.createChat({
    content: "How much water?",
    budget: { tokens: 30_000 },
  });
  await titled(poor.chat.id, "How much water?");
  expect(titleCalls()).toBe(1);
});

test("where none can be made anew, the one that is there stays", async () => {
  const { id } = await ask(one, says("Flour"));
  await titled(id, "Flour");
  await idle();
  one.models.enqueue(fails("server"));
  await one.client.makeTitle(id);
  await one.models.request(3);
  await idle();
  expect((await one.client.getChat(id)).title).toBe("Flour");
});

test("a server that goes down with it leaves the chat without a title until the next turn", async () => {
  const dying = await engines.start({ env: { PARLEY_TITLE_MODEL: "test/small" } });
  const { id } = await ask(dying, async (speaker) => await speaker.hang());
  await dying.models.request(2);
  await dying.stop();
  expect((await one.client.getChat(id)).title).toBeNull();
  for (const { models } of [one, two]) models.enqueue(says("And 300 ml."), says("Flour"));
  await one.client.sendMessage(id, { content: "And water?" });
  await titled(id, "Flour");
  await idle();
  expect(titleCalls()).toBe(1);
});

test("who wants none has none made, and is told so", async () => {
  const off = await engines.start({ env: { PARLEY_TITLE_MODEL: "off" } });
  await expect(off.client.makeTitle((await ask(off)).id)).rejects.toMatchObject({
    code: "invalid_request",
  });
  expect(off.models.requests).toHaveLength(1);
  await off.stop();
});

test("a model that nobody has is refused at the start", async () => {
  await expect(engines.start({ env: { PARLEY_TITLE_MODEL: "nobody/small" } })).rejects.toThrow(
    /title model "nobody\/small"/,
  );
});
