import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { createDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";

let db: TestDatabase;
let folder: string;

beforeEach(async () => {
  db = await createTestDatabase({ empty: true });
  folder = await mkdtemp(join(tmpdir(), "parley-migrations-"));
});
afterEach(async () => {
  await db.drop();
  await rm(folder, { recursive: true });
});

const file = (name: string, sql: string): Promise<void> => writeFile(join(folder, name), sql);
const applied = () =>
  db.database.one<{ number: number; name: string }>({
    name: "applied",
    text: "select number, name from parley.migrations order by number",
  });

describe("migrate", () => {
  test("applies what is new, in order, and nothing twice", async () => {
    await file("0001_first.sql", "create table parley.a (id int primary key)");
    expect(await migrate(db.database, { folder })).toEqual([1]);
    await file(
      "0002_second.sql",
      "insert into parley.a values (1); insert into parley.a values (2)",
    );
    await file("0003_third.sql", "create table parley.b (id int)");
    expect(await migrate(db.database, { folder })).toEqual([2, 3]);
    expect(await migrate(db.database, { folder })).toEqual([]);
    expect(await applied()).toEqual([
      { number: 1, name: "first" },
      { number: 2, name: "second" },
      { number: 3, name: "third" },
    ]);
    expect(
      await db.database.one({ name: "rows", text: "select id from parley.a order by id" }),
    ).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test("eight processes that start at once apply each migration once", async () => {
    await file("0001_first.sql", "create table parley.a (id int); select pg_sleep(0.05)");
    await file("0002_second.sql", "insert into parley.a values (1)");
    const handles = Array.from({ length: 8 }, () => createDatabase(db.settings));
    const results = await Promise.all(handles.map((handle) => migrate(handle, { folder })));
    expect(results.flat().toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(await db.database.one({ name: "rows", text: "select id from parley.a" })).toEqual([
      { id: 1 },
    ]);
    await Promise.all(handles.map((handle) => handle.close()));
  });

  test("a migration that fails leaves nothing of itself and keeps those before it", async () => {
    await file("0001_first.sql", "create table parley.a (id int)");
    await file("0002_broken.sql", "create table parley.b (id int); select 1/0");
    await expect(migrate(db.database, { folder })).rejects.toMatchObject({
      code: "migration_failed",
      details: { number: 2, name: "broken" },
      cause: { sqlState: "22012" },
    });
    expect(await applied()).toEqual([{ number: 1, name: "first" }]);
    expect(
      await db.database.one({ name: "b", text: "select to_regclass('parley.b')::text as b" }),
    ).toEqual([{ b: null }]);
    await file("0002_broken.sql", "create table parley.b (id int)");
    expect(await migrate(db.database, { folder })).toEqual([2]);
  });

  test("refuses a file that was changed after it was applied", async () => {
    await file("0001_first.sql", "create table parley.a (id int)");
    await migrate(db.database, { folder });
    await file("0001_first.sql", "create table parley.a (id bigint)");
    await expect(migrate(db.database, { folder })).rejects.toMatchObject({
      code: "migration_mismatch",
      details: { reason: "checksum", number: 1 },
    });
  });

  test("takes the same file with Windows line ends for the same", async () => {
    await file("0001_first.sql", "create table parley.a\n(id int)\n");
    await migrate(db.database, { folder });
    await file("0001_first.sql", "create table parley.a\r\n(id int)\r\n");
    expect(await migrate(db.database, { folder })).toEqual([]);
  });

  test("refuses a database that is newer than the code", async () => {
    await file("0001_first.sql", "create table parley.a (id int)");
    await file("0002_second.sql", "create table parley.b (id int)");
    await migrate(db.database, { folder });
    await rm(join(folder, "0002_second.sql"));
    await expect(migrate(db.database, { folder })).rejects.toMatchObject({
      details: { reason: "newer", number: 2 },
    });
  });

  test("needs no right to create anything when nothing is to be done", async () => {
    await file("0001_first.sql", "create table parley.a (id int)");
    await migrate(db.database, { folder });
    const role = `reader_${db.settings.database}`;
    await db.database.write((tx) =>
      tx.exec(`create role ${role} login; grant usage on schema parley to ${role};
        grant select on parley.migrations to ${role}`),
    );
    const reader = createDatabase({ ...db.settings, user: role });
    expect(await migrate(reader, { folder })).toEqual([]);
    await reader.close();
    await db.database.write((tx) => tx.exec(`drop owned by ${role}; drop role ${role}`));
  });
});

test("the engine's own migrations apply to an empty database", async () => {
  const numbers = await migrate(db.database);
  expect(numbers[0]).toBe(1);
  expect(await migrate(db.database)).toEqual([]);
});
