import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { createDatabase, type Database } from "./database.ts";

/** A newer version's migrations alter tables under the connections of an older one, which has prepared its statements. */

let shared: TestDatabase;
let database: Database;

beforeAll(async () => {
  shared = await createTestDatabase({ empty: true });
  database = createDatabase({ ...shared.settings, poolSize: 4 });
});

afterAll(async () => {
  await database.close();
  await shared.drop();
});

const all = { name: "test:all", text: "select * from things order by id", values: [] };

/** All connections of the pool, at the same time. */
async function onEvery<T>(fn: () => Promise<T>): Promise<T[]> {
  return await Promise.all(Array.from({ length: 4 }, async () => await fn()));
}

test("what was prepared before works after it, in every kind of transaction, on every connection", async () => {
  await database.write(
    async (tx) => await tx.exec("create table things (id int); insert into things values (1)"),
  );
  const kinds: (() => Promise<unknown[]>)[] = [
    async () => await database.one(all),
    async () => await database.read(async (tx) => await tx.query(all)),
    async () => await database.write(async (tx) => await tx.query(all)),
  ];
  for (const [n, kind] of kinds.entries()) {
    await onEvery(kind);
    await shared.database.write(async (tx) => await tx.exec(`alter table things add c${n} int`));
    for (const rows of await onEvery(kind)) {
      expect(Object.keys(rows[0] as object)).toContain(`c${n}`);
    }
  }
});

test("a write is made once", async () => {
  const insert = { name: "test:insert", text: "insert into things (id) values (2) returning *" };
  const put = async (): Promise<void> =>
    await database.write(async (tx) => {
      await tx.query(insert);
      await tx.query(all);
    });
  await onEvery(put);
  await shared.database.write(async (tx) => await tx.exec("alter table things add later int"));
  await onEvery(put);
  const twos = await database.one<{ id: number }>(all);
  expect(twos.filter(({ id }) => id === 2)).toHaveLength(8);
});
