import { expect, test, type TestContext } from "vitest";
import { createEngines, type Engines, type RunningEngine } from "./engines.ts";
import { eventually } from "./eventually.ts";
import { gate } from "./provider-server.ts";
import { says } from "./scripted-models.ts";

/** What an operator asks of one server, through another one. */

async function enginesOf({ onTestFinished }: TestContext): Promise<Engines> {
  const engines = await createEngines();
  onTestFinished(async () => await engines.close());
  return engines;
}

const info = async (through: RunningEngine, of: RunningEngine) =>
  (await through.client.replicas()).replicas.find(({ id }) => id === of.replica.worker.id);

test("a server that is drained through another hands its chats over, and goes on serving", async (context) => {
  const engines = await enginesOf(context);
  const drained = await engines.start();
  const go = gate();
  drained.models.enqueue(async (speaker) => {
    speaker.text("first step");
    await speaker.wait(go.promise);
    return "pause";
  });
  const { chat } = await drained.client.createChat({ content: "Go.", model: "test/model" });
  await drained.models.request(1);
  const other = await engines.start();
  other.models.enqueue(says("second step"), says("elsewhere"));

  expect(await info(other, drained)).toMatchObject({
    state: "alive",
    working: 1,
    chats: [{ id: chat.id }],
  });
  await other.client.drainReplica(drained.replica.worker.id);
  await eventually("the worker takes nothing", () => drained.replica.worker.stats().draining);
  expect(await info(other, drained)).toMatchObject({ state: "draining", owned: 1 });
  go.open();
  await eventually("the chat was handed over and answered", async () => {
    const { messages } = await other.client.listMessages(chat.id);
    return messages.length === 3;
  });
  await eventually("nothing is left", async () => (await info(other, drained))?.owned === 0);

  // Its API and its streams are still there, and what is sent to it runs elsewhere.
  await drained.client.createChat({ content: "And now?", model: "test/model" });
  await other.models.request(2);
});

test("who stops a server while an operator drains it waits for what is left to hand over", async (context) => {
  const engines = await enginesOf(context);
  const engine = await engines.start();
  const go = gate();
  engine.models.enqueue(async (speaker) => {
    speaker.text("said");
    await speaker.wait(go.promise);
  });
  const { chat } = await engine.client.createChat({ content: "Go.", model: "test/model" });
  await engine.models.request(1);
  await engine.client.drainReplica(engine.replica.worker.id);
  await eventually("the worker takes nothing", () => engine.replica.worker.stats().draining);
  const ended = engine.replica.drain();
  go.open();
  await ended;
  const { status } = await engine.client.getChat(chat.id);
  expect(status, engine.log.join("\n")).toBe("waiting");
});

test("what a server does shows in figures that another tells", async (context) => {
  const engines = await enginesOf(context);
  const [one, other] = [await engines.start(), await engines.start()];
  one.models.enqueue(says("an answer"));
  await one.client.createChat({ content: "Go.", model: "test/model" });
  const sum = (values: readonly (number | null)[]): number =>
    values.reduce<number>((all, value) => all + (value ?? 0), 0);
  const driver = async () => {
    const workers = [one, other].map(({ replica }) => replica.worker.id);
    const all = await Promise.all(workers.map((id) => other.client.replicaMetrics(id)));
    return all.find(({ turns }) => sum(turns) > 0);
  };
  const figures = await eventually("a turn was counted", driver);
  expect(sum(figures.parts)).toBeGreaterThan(0);
  expect(sum(figures.statements)).toBeGreaterThan(0);
  expect(figures.first_part_p50_ms.some((ms) => ms !== null)).toBe(true);
  expect(figures.pool_size).toBeGreaterThan(0);
});
