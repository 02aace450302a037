import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { createWorld, type World } from "../../test/world.ts";
import { createDatabase, type Database } from "../postgres/database.ts";
import { DatabaseUnavailable } from "../postgres/errors.ts";
import type { SyncRequest } from "../store/sync.ts";
import { SyncReads } from "./sync-reads.ts";
import { nextTurn } from "./turn.ts";

/** Snapshots for many feeds at once. */

let world: World;
beforeAll(async () => (world = await createWorld()));
afterAll(async () => await world?.drop());

const on = (database: Database = world.database): SyncReads =>
  new SyncReads({ database, turn: nextTurn, controlReadMs: 5_000 });

function whole(chatId: string): SyncRequest {
  return { chatId, since: null, cutsAfter: null, window: 10, changedMax: 10 };
}

async function transactions(work: () => Promise<unknown>): Promise<number> {
  const { stats } = world.database;
  const before = stats.snapshot();
  await work();
  return stats.since(before).operations["stream.sync"]?.reads ?? 0;
}

test("those that are asked for in one turn of the loop share a snapshot, and each gets its own chat", async () => {
  const reads = on();
  const [idle, running] = [await chatIn(world, "W"), await chatIn(world, "R1")];
  const asked = await transactions(async () => {
    const requests = [whole(idle.id), whole(running.id), whole(randomUUID()), whole(idle.id)];
    const [one, other, missing, again] = await Promise.all(requests.map((r) => reads.read(r)));
    expect(one?.chat).toMatchObject({ id: idle.id, status: "waiting" });
    expect(one?.window?.messages.every(({ chat_id }) => chat_id === idle.id)).toBe(true);
    expect(other?.chat).toMatchObject({ id: running.id, status: "running" });
    expect(other?.queue.map(({ id }) => id)).toEqual(running.queued);
    expect(missing).toBeNull();
    expect(again).toEqual(one);
  });
  expect(asked).toBe(1);
});

test("nothing is kept from one turn to the next", async () => {
  const reads = on();
  const { id } = await chatIn(world, "W");
  const request = whole(id);
  expect((await reads.read(request))?.chat.title).toBeNull();
  await world.sql("update parley.chats set title = 'Renamed' where id = $1", [id]);
  expect((await reads.read(request))?.chat.title).toBe("Renamed");
});

test("no snapshot is of more chats than its limit", async () => {
  const reads = on();
  const asked = await transactions(async () => {
    const ids = Array.from({ length: 40 }, () => randomUUID());
    await Promise.all(ids.map((id) => reads.read(whole(id))));
  });
  expect(asked).toBe(3);
});

test("one that cannot be read fails alone", async () => {
  const reads = on();
  const { id } = await chatIn(world, "W");
  const [good, bad] = await Promise.allSettled([
    reads.read(whole(id)),
    reads.read(whole("no id at all")),
  ]);
  expect(good).toMatchObject({ status: "fulfilled", value: { chat: { id } } });
  expect(bad).toMatchObject({ status: "rejected", reason: { code: "statement_failed" } });
});

test("where the database is away, everyone is told", async () => {
  const database = createDatabase({ ...world.settings, poolSize: 1 });
  await database.close();
  const reads = on(database);
  const answers = await Promise.allSettled([
    reads.read(whole(randomUUID())),
    reads.read(whole(randomUUID())),
  ]);
  for (const answer of answers) {
    expect(answer).toMatchObject({ reason: expect.any(DatabaseUnavailable) });
  }
});
