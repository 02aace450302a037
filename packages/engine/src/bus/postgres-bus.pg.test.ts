import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import type { ChatHint } from "../domain/commit.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../lib/logger.ts";
import { seededRandom } from "../lib/random.ts";
import { postgresNotifications } from "../store/notifications.ts";
import { PostgresBus } from "./postgres-bus.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const random = seededRandom(1);
const started: PostgresBus[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map(async (bus) => await bus.stop()));
});

/** A replica's end of the bus, with what it received and a way to wait for it. */
function replica(replicaId: string) {
  const bus = new PostgresBus({
    replicaId,
    notifications: postgresNotifications(db.database),
    clock: systemClock,
    random,
    logger: silentLogger,
  });
  started.push(bus);
  const hints: ChatHint[] = [];
  let resyncs = 0;
  const waiting = new Set<() => void>();
  const changed = (): void => {
    for (const look of waiting) look();
  };
  bus.subscribe({
    hint: (hint) => {
      hints.push(hint);
      changed();
    },
    resync: () => {
      resyncs += 1;
      changed();
    },
  });
  const until = async (condition: () => boolean): Promise<void> =>
    await new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  bus.start();
  return { bus, hints, until, resyncs: () => resyncs };
}

function hint(snapshot_version: number): ChatHint {
  return { chat_id: random.uuid(), snapshot_version, metadata_version: 1, unowned: true };
}

test("a hint reaches the other replica and not its sender", async () => {
  const a = replica("a");
  const b = replica("b");
  await Promise.all([a.until(() => a.resyncs() === 1), b.until(() => b.resyncs() === 1)]);
  const sent = hint(3);
  a.bus.publish(sent);
  await b.until(() => b.hints.length === 1);
  expect(b.hints).toEqual([sent]);
  const back = hint(4);
  b.bus.publish(back);
  await a.until(() => a.hints.length === 1);
  expect(a.hints).toEqual([back]);
});

test("a storm on one chat is few messages, and more than a payload holds arrives whole", async () => {
  const a = replica("a");
  const b = replica("b");
  await Promise.all([a.until(() => a.resyncs() === 1), b.until(() => b.resyncs() === 1)]);
  const one = hint(0);
  for (let n = 1; n <= 500; n++) a.bus.publish({ ...one, snapshot_version: n });
  const many = Array.from({ length: 400 }, (_, n) => hint(n));
  for (const each of many) a.bus.publish(each);
  await b.until(() => b.hints.length >= 401);
  expect(b.hints[0]).toEqual({ ...one, snapshot_version: 500 });
  expect(b.hints.slice(1)).toEqual(many);
});

test("a lost connection is made again, and everybody is told to look", async () => {
  const a = replica("a");
  const b = replica("b");
  await Promise.all([a.until(() => a.resyncs() === 1), b.until(() => b.resyncs() === 1)]);
  await db.database.one({
    name: "test.terminate",
    text: `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()
             and (query like 'listen%' or query like '%pg_notify%')`,
  });
  await Promise.all([a.until(() => a.resyncs() >= 2), b.until(() => b.resyncs() >= 2)]);
  const sent = hint(9);
  a.bus.publish(sent);
  await b.until(() => b.hints.length === 1);
  expect(b.hints).toEqual([sent]);
});
