import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Waiting } from "@parley/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { foldEvents, StreamWorld, type TestClient } from "../../test/stream-world.ts";
import { commitStep } from "../machine/transitions/commit-step.ts";
import { enterRequiresAction } from "../machine/transitions/enter-requires-action.ts";

let world: StreamWorld;
beforeAll(async () => {
  world = await StreamWorld.create(undefined, { roots: 2, roots_per_owner: 2, sub_agents: 1 });
});
afterEach(async () => {
  await world.sql(
    `delete from parley.chats; delete from parley.workers where id <> '${world.worker}'`,
  );
  await worker({});
});
afterAll(async () => await world.drop());

/** The one worker of the world, changed. */
async function worker(
  change: { capacity?: number; draining?: boolean; providers?: string; beat?: string } = {},
): Promise<void> {
  const { capacity = 10, draining = false, providers, beat = `interval '1 day'` } = change;
  await world.sql(`update parley.workers set capacity = ${capacity}, draining = ${draining},
    providers = ${providers === undefined ? "null" : `'{${providers}}'`}, heartbeat_at = parley.now() + ${beat}`);
}

const shown = (client: TestClient): Waiting | undefined =>
  foldEvents(client.events).status?.waiting;

/** Time passes until the stream says it; ten questions, at most. */
async function says(client: TestClient, waiting: Waiting | undefined): Promise<void> {
  for (let i = 0; i < 10 && !isDeepStrictEqual(shown(client), waiting); i++) {
    await world.clock.waitForTimer("stream.waiting");
    await world.clock.advance(2_000);
    // Set again when the question has been answered.
    await world.clock.waitForTimer("stream.waiting");
  }
  expect(shown(client)).toEqual(waiting);
}

async function onlooker(id: string): Promise<TestClient> {
  return await (await world.open(id)).ready();
}

describe("a stream says why its chat waits", () => {
  it("for a worker, where none is alive or all are draining", async () => {
    await worker({ draining: true });
    const client = await onlooker(await world.running("hello", false));
    await world.clock.advance(1_500);
    expect(shown(client)).toBeUndefined();
    await says(client, { reason: "no_worker" });
    await worker({ beat: "interval '-1 hour'" });
    await world.clock.advance(2_000);
    await world.clock.waitForTimer("stream.waiting");
    expect(shown(client)).toEqual({ reason: "no_worker" });
    client.subscription?.close();
  });

  it("for a worker that has the provider, and names it", async () => {
    await worker({ providers: "openai,anthropic" });
    const client = await onlooker(await world.running("hello", false));
    await says(client, { reason: "no_worker", missing: "test" });
    client.subscription?.close();
  });

  it("for capacity, where all that could take it are full", async () => {
    await worker({ capacity: 1 });
    await world.sql(`insert into parley.workers (id, version, capacity, providers, heartbeat_at)
      values ('${randomUUID()}', 'test', 10, '{openai}', parley.now() + interval '1 day')`);
    await world.running();
    const client = await onlooker(await world.running("hello", false));
    await says(client, { reason: "capacity" });
    client.subscription?.close();
  });

  it("for capacity, where a limit is reached; not where the slot is a dead worker's", async () => {
    const [first, second] = [await world.running(), await world.running()];
    const client = await onlooker(await world.running("hello", false));
    await says(client, { reason: "capacity" });
    await world.sql(`update parley.chats set worker_id = '${randomUUID()}', runner_id = '${randomUUID()}'
      where id in ('${first}', '${second}')`);
    await says(client, undefined);
    client.subscription?.close();
  });

  it("and says nothing of a chat that waits for somebody outside, or of one that is about to be taken", async () => {
    const id = await world.running();
    await world.update(id, async (bundle) => {
      const call = { tool_call_id: "c", tool_name: "ask" };
      await commitStep(bundle, {
        messages: [{ role: "assistant", parts: [{ type: "tool-call", ...call, input: {} }] }],
        executions: [{ ...call, kind: "client", needs_approval: false }],
      });
      await enterRequiresAction(bundle);
      await bundle.set({ worker_id: null, runner_id: null });
    });
    const client = await onlooker(id);
    const soon = await onlooker(await world.running("hello", false));
    for (let i = 0; i < 2; i++) {
      await world.clock.advance(2_000);
      await world.clock.waitForTimer("stream.waiting");
    }
    expect(shown(client)).toBeUndefined();
    expect(shown(soon)).toBeUndefined();
    client.subscription?.close();
    soon.subscription?.close();
  });
});

describe("while a chat waits", () => {
  it("the reason follows what is the case, until somebody takes it", async () => {
    await worker({ draining: true });
    const id = await world.running("hello", false);
    const client = await onlooker(id);
    await says(client, { reason: "no_worker" });
    await worker({ providers: "openai" });
    await says(client, { reason: "no_worker", missing: "test" });
    const known = client.events.length;
    await world.clock.advance(2_000);
    await world.clock.waitForTimer("stream.waiting");
    expect(client.events).toHaveLength(known);
    await world.own(id);
    await client.until((c) => shown(c) === undefined);
    client.subscription?.close();
  });

  it("one query asks for all chats of the replica, and none when nobody waits any more", async () => {
    await worker({ draining: true });
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await world.running(`hello ${i}`, false));
    const clients = [];
    for (const id of ids) clients.push(await onlooker(id));
    const before = world.database.stats.snapshot();
    await world.clock.advance(2_000);
    for (const client of clients) await client.until((c) => shown(c) !== undefined);
    const { operations } = world.database.stats.since(before);
    expect(operations["stream.waiting"]?.singles).toBe(1);
    for (const id of ids) await world.own(id);
    const later = world.database.stats.snapshot();
    await world.clock.advance(9_000);
    expect(world.database.stats.since(later).operations["stream.waiting"]).toBeUndefined();
    for (const client of clients) client.subscription?.close();
  });

  it("who comes back with a cursor is told what has changed", async () => {
    await worker({ draining: true });
    const id = await world.running("hello", false);
    const client = await onlooker(id);
    await says(client, { reason: "no_worker" });
    const cursor = client.events.at(-1)?.cursor ?? null;
    client.subscription?.close();
    await world.own(id);
    const back = await (await world.open(id, cursor)).ready();
    expect(back.events.find(({ type }) => type === "status")?.data).not.toHaveProperty("waiting");
    expect(back.types()).toContain("status");
    back.subscription?.close();
  });
});

it("an owner that has died is noticed by the poll, when no one is there to take its chats", async () => {
  const id = await world.running();
  const client = await onlooker(id);
  world.streams.start();
  await worker({ beat: "interval '-1 hour'" });
  await world.clock.advance(10_000);
  await says(client, { reason: "no_worker" });
  await worker({});
  await world.clock.waitForTimer("stream.poll");
  await world.clock.advance(10_000);
  await client.until((c) => shown(c) === undefined);
  client.subscription?.close();
});
