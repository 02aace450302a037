import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../lib/logger.ts";
import { seededRandom } from "../lib/random.ts";
import { Housekeeping } from "./housekeeping.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const random = seededRandom("housekeeping");

test("what has had its time goes, and nothing else", async () => {
  const principal = random.uuid();
  const { database } = db;
  const exec = async (text: string): Promise<void> =>
    await database.write(async (tx) => await tx.exec(text));
  await exec(`
    insert into parley.principals (id, name) values ('${principal}', 'p');
    insert into parley.idempotency_keys (principal_id, scope, key, request_hash, response, created_at)
      select '${principal}', 's', n::text, '\\x00', '{}', parley.now() - make_interval(hours => n)
      from generate_series(1, 2000) n;
    insert into parley.chat_tombstones (chat_id, owner_id, deleted_at)
      select gen_random_uuid(), '${principal}', parley.now() - make_interval(hours => n)
      from generate_series(1, 2000) n;
  `);
  const housekeeping = new Housekeeping({
    database,
    clock: systemClock,
    random,
    logger: silentLogger,
  });
  await housekeeping.sweep();
  const [left] = await database.one<{ keys: number; tombstones: number }>({
    name: "test.left",
    text: `select (select count(*) from parley.idempotency_keys) as keys,
             (select count(*) from parley.chat_tombstones) as tombstones`,
  });
  // A day of keys, a week of tombstones; what was made a whole number of hours ago is a moment older by now.
  expect(left).toEqual({ keys: 23, tombstones: 7 * 24 - 1 });
});
