import type { ChatEvent } from "@parley/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEngines, type Engines, type RunningEngine } from "./engines.ts";
import { follow, settled } from "./follow.ts";
import { says, type Script } from "./scripted-models.ts";

/** Two whole replicas over one database, with a price and budgets by settings; a client on each. */

let engines: Engines;
let one: RunningEngine;
let two: RunningEngine;

beforeAll(async () => {
  engines = await createEngines();
  const prices = await engines.file(
    "prices.json",
    JSON.stringify({ "test/*": { input: 1, output: 10 } }),
  );
  const env = {
    PARLEY_PRICES: prices,
    PARLEY_CHAT_BUDGET_USD: "0.01",
    PARLEY_BUDGET_REPLY_TOKENS: "100",
  };
  one = await engines.start({ env });
  two = await engines.start({ env: { ...env, PARLEY_CAPACITY: "0" } });
});
afterAll(async () => await engines.close());

const costing =
  (tokens: number): Script =>
  async (speaker) => {
    speaker.usage = { input_tokens: tokens, output_tokens: 5 };
    return await says("hello")(speaker);
  };

const micros = (events: readonly ChatEvent[]): number[] =>
  events.flatMap((event) => (event.type === "chat" ? [event.data.usage.cost_usd_micros] : []));

test("what a turn costs is seen live on another server, in the same sync as its reply", async () => {
  one.models.enqueue(costing(100), costing(200));
  const { chat } = await one.client.createChat({ content: "hi" });
  expect(chat.usage.cost_usd_micros).toBe(0);
  const first = await follow(two.client, chat.id, {
    until: (now) => settled(now) && now.chat?.usage.replies === 1,
  });
  expect(first.transcript.messages.at(-1)?.usage?.cost_usd_micros).toBe(150);
  await two.client.sendMessage(chat.id, { content: "again" });
  const second = await follow(two.client, chat.id, {
    until: (now) => settled(now) && now.chat?.usage.replies === 2,
  });
  expect(micros(second.events).at(-1)).toBe(400);
  const { own, turn, budgets } = await two.client.usage(chat.id);
  expect([own.total.cost_usd_micros, turn.total.cost_usd_micros]).toEqual([400, 250]);
  expect(budgets).toEqual([
    { scope: "chat", usd_micros: { limit: 10_000, spent: 400, reserved: 0 }, tokens: null },
  ]);
  const owner = await two.client.ownerUsage();
  expect(owner.models.find(({ model }) => model === "test/model")?.replies).toBe(2);
});

test("a turn that a budget has ended says so live, and goes on when there is more", async () => {
  one.models.enqueue(costing(100));
  const { chat } = await one.client.createChat({ content: "hi", budget: { usd: 0.000_5 } });
  const { transcript } = await follow(two.client, chat.id, { until: (now) => now.error !== null });
  expect(transcript.error).toMatchObject({
    kind: "budget_exceeded",
    budget: { scope: "chat", unit: "usd_micros", limit: 500, spent: 0 },
  });
  // The deployment's own is what is left of it.
  const raised = await two.client.patchChat(chat.id, { budget: { usd: 5 } });
  expect(raised.budget).toEqual({ usd: 5, tokens: null });
  await two.client.retry(chat.id);
  const after = await follow(two.client, chat.id, {
    until: (now) => settled(now) && now.messages.length === 2,
  });
  expect(after.transcript.error).toBeNull();
  const { budgets } = await two.client.usage(chat.id);
  expect(budgets[0]?.usd_micros).toEqual({ limit: 10_000, spent: 150, reserved: 0 });
  const page = await fetch(`${one.replica.url}/metrics`);
  expect(await page.text()).toContain(
    'parley_budget_refused_total{scope="chat",unit="usd_micros"} 1',
  );
});
