import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { noLimits } from "../domain/running-limits.ts";
import { readBacklog } from "./backlog.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { readVersions } from "./sync.ts";
import { findChangedLists } from "./watch.ts";
import { beatWorker, registerWorker } from "./workers.ts";

const id = "00000000-0000-7000-8000-000000000001";
const lease = { lease_ms: 20_000, silence_ms: 1_500 };
const limits = { statementTimeoutMs: 5_000 };

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase({ poolSize: 2 });
});
afterAll(async () => await db.drop());

test("beats, checkpoints and polls get through while work holds all that it may", async () => {
  const { database } = db;
  const holding = Promise.withResolvers<void>();
  const free = Promise.withResolvers<void>();
  onTestFinished(() => free.resolve());
  const held = database.read(async (tx) => {
    await tx.query({ name: "held", text: "select 1" });
    holding.resolve();
    await free.promise;
  });
  await holding.promise;
  const waiting = database.one({ name: "waits", text: "select 1" });

  const checkpoints = createCheckpoints(database);
  const tail = { chat_id: id, history_version: 1, generation_attempt: 1, runner_id: id };
  const written = checkpoints.write([{ ...tail, first_seq: 1, last_seq: 1, live_parts: [] }]);
  expect(await written).toEqual(["foreign"]);
  await checkpoints.sweep();
  expect(await readVersions(database, [id], lease, limits)).toEqual([]);
  expect(await findChangedLists(database, [{ ownerId: id, since: 0n }], limits)).toEqual([]);
  const backlog = await readBacklog(database, { limits: noLimits, ...lease }, limits);
  expect(backlog.slots.root).toBe(0);

  const beats = await database.connection("worker.beat");
  const worker = { id, relay_url: null, version: "1", capacity: 1, providers: [], tools: [] };
  await registerWorker(beats, worker);
  const beat = { worker_id: id, draining: false, lock_key: null, reset_health: false };
  expect(await beatWorker(beats, { ...beat, beat_ms: 1_000, figures: null })).toBeDefined();
  await beats.close();

  expect(database.stats.pool()).toMatchObject({ waiting: 1, upkeepWaiting: 0 });
  free.resolve();
  await Promise.all([held, waiting]);
});
