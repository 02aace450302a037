import { createHash, randomUUID } from "node:crypto";
import type { Json } from "@parley/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, newChat, said, text } from "../../test/chat-in-state.ts";
import { all } from "../../test/scenarios/all-transitions.ts";
import { dump, queueOf } from "../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../test/world.ts";
import { sweepIdempotent } from "../store/idempotency.ts";
import type { Bundle } from "./bundle.ts";
import { createOnce, updateOnce, type Once, type RequestKey } from "./idempotency.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

const keyFor = (scope: string, key: string, request: string): RequestKey => ({
  principal_id: world.owner,
  scope,
  key,
  request_hash: createHash("sha256").update(request).digest(),
});

async function send(bundle: Bundle, value: string): Promise<Json> {
  const { queued } = await all.sendMessage(bundle, {
    message: said(value),
    when_busy: "queue",
    queueMessagesMax: 50,
  });
  return { id: queued?.id ?? 0, text: value };
}

test("a repeat gets the stored answer: no bump, nothing published, whatever the state is by then", async () => {
  const { id } = await chatIn(world, "R0");
  const key = keyFor(id, "k", "hello");
  const run = (): Promise<Once<Json>> =>
    updateOnce(world.machine, id, key, (bundle) => send(bundle, "hello"));
  const first = await run();
  expect(first.replayed).toBe(false);
  await world.machine.update(id, (bundle) => all.finishTurn(bundle));
  await world.machine.update(id, (bundle) => all.finishTurn(bundle));
  await world.machine.update(id, (bundle) => all.setArchived(bundle, { archived: true }));
  world.published();
  const before = await dump(world);
  expect(await run()).toEqual({ response: first.response, replayed: true });
  expect(await dump(world)).toEqual(before);
  expect(world.published()).toEqual([]);
});

test("the same key with another request is refused, and changes nothing", async () => {
  const { id } = await chatIn(world, "R0");
  await updateOnce(world.machine, id, keyFor(id, "k", "a"), (bundle) => send(bundle, "a"));
  const before = await dump(world);
  const other = updateOnce(world.machine, id, keyFor(id, "k", "b"), (b) => send(b, "b"));
  await expect(other).rejects.toMatchObject({
    code: "idempotency_key_reused",
    details: { key: "k" },
  });
  expect(await dump(world)).toEqual(before);
});

test("keys of other scopes and principals are other keys", async () => {
  const one = await chatIn(world, "R0");
  const two = await chatIn(world, "R0");
  const stranger = randomUUID();
  await world.sql(`insert into parley.principals (id, name) values ($1, 'stranger')`, [stranger]);
  for (const key of [
    keyFor(one.id, "k", "x"),
    keyFor(two.id, "k", "y"),
    { ...keyFor(one.id, "k", "z"), principal_id: stranger },
  ]) {
    // oxlint-disable-next-line no-await-in-loop
    const { replayed } = await updateOnce(world.machine, key.scope, key, (b) => send(b, "x"));
    expect(replayed).toBe(false);
  }
});

test("a request that is refused stores nothing: it may be tried again", async () => {
  const { id } = await chatIn(world, "W");
  const key = keyFor(id, "k", "delete");
  const run = (): Promise<Once<Json>> =>
    updateOnce(world.machine, id, key, async (bundle) => {
      await all.deleteQueuedMessage(bundle, { queued_id: 1 });
      return {};
    });
  await expect(run()).rejects.toMatchObject({ code: "queued_message_not_found" });
  await expect(run()).rejects.toMatchObject({ code: "queued_message_not_found" });
});

test("deleting a chat can be repeated, although the chat is gone", async () => {
  const { id } = await chatIn(world, "R1");
  const key = keyFor(id, "k", "delete");
  const run = (request = key): Promise<Once<Json>> =>
    updateOnce(world.machine, id, request, async (bundle) => {
      await all.deleteChat(bundle);
      return { deleted: id };
    });
  await run();
  expect(await run()).toEqual({ response: { deleted: id }, replayed: true });
  await expect(run(keyFor(id, "other", "delete"))).rejects.toMatchObject({
    code: "chat_not_found",
  });
});

test("of eight that race with one key one does it, and all are answered alike", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const key = keyFor(id, "race", "hello");
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => updateOnce(world.machine, id, key, (b) => send(b, "hello"))),
  );
  expect(new Set(answers.map(({ response }) => JSON.stringify(response))).size).toBe(1);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  expect(await queueOf(world, id)).toEqual(["queue: hello"]);
  expect(world.published().map((commit) => commit.chat.snapshot_version)).toEqual([
    chat.snapshot_version + 1,
  ]);
});

test("of eight that race to make a chat one is made, and all are answered with it", async () => {
  const key = keyFor("principal", "race", "create");
  const make = (): Promise<Once<Json>> => {
    const chat = newChat(world);
    return createOnce(world.machine, chat, key, async (bundle) => {
      await all.createChat(bundle, { messages: [{ role: "user", parts: text("hello") }] });
      return { id: chat.id };
    });
  };
  const [count] = await world.sql<{ n: number }>(`select count(*) as n from parley.chats`);
  const answers = await Promise.all(Array.from({ length: 8 }, make));
  expect(new Set(answers.map(({ response }) => JSON.stringify(response))).size).toBe(1);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  const [after] = await world.sql<{ n: number }>(`select count(*) as n from parley.chats`);
  expect(after?.n).toBe((count?.n ?? 0) + 1);
  expect(world.published()).toHaveLength(1);
});

test("of racing requests that reuse a key for different things one wins, the others are told", async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 4 }, (_, n) => {
      const chat = newChat(world);
      return createOnce(
        world.machine,
        chat,
        keyFor("principal", "clash", `${n}`),
        async (bundle) => {
          await all.createChat(bundle, { messages: [{ role: "user", parts: text("hello") }] });
          return { id: chat.id };
        },
      );
    }),
  );
  const rejected = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(rejected).toHaveLength(3);
  for (const { reason } of rejected) {
    expect(reason).toMatchObject({ code: "idempotency_key_reused" });
  }
});

test("keys are kept for a day, then swept, a bounded number at a time", async () => {
  const { id } = await chatIn(world, "R0");
  for (const name of ["a", "b", "c"]) {
    // oxlint-disable-next-line no-await-in-loop
    await updateOnce(world.machine, id, keyFor(id, name, name), (b) => send(b, name));
  }
  const sweep = (max: number): Promise<number> =>
    world.database.write((tx) => sweepIdempotent(tx, max));
  await world.advance(24 * 3_600_000 - 60_000);
  expect(await sweep(10)).toBe(0);
  await world.advance(120_000);
  await updateOnce(world.machine, id, keyFor(id, "young", "d"), (b) => send(b, "d"));
  expect(await sweep(2)).toBe(2);
  expect(await sweep(1000)).toBeGreaterThanOrEqual(1);
  const left = await world.sql<{ key: string }>(`select key from parley.idempotency_keys`);
  expect(left).toEqual([{ key: "young" }]);
});

test("without a key a request is simply done", async () => {
  const { id } = await chatIn(world, "R0");
  const run = (): Promise<Once<Json>> => updateOnce(world.machine, id, null, (b) => send(b, "x"));
  await run();
  expect((await run()).replayed).toBe(false);
  expect(await queueOf(world, id)).toEqual(["queue: x", "queue: x"]);
});
