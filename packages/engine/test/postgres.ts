import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { createDatabase, type Database, type DatabaseOptions } from "../src/postgres/database.ts";

export interface TestDatabase {
  /** A handle with default limits; make others from `settings`. */
  database: Database;
  settings: { host: string; port: number; user: string; database: string };
  /** The server's major version. */
  major: number;
  /** Closes `database` and removes the database, whoever is still connected to it. */
  drop(): Promise<void>;
}

/**
 * A database of its own for a test file, cloned from the migrated template (`empty`: without the schema). Call it
 * in `beforeAll` of a `*.pg.test.ts` file, and `drop` in `afterAll`.
 */
export async function createTestDatabase(
  options: Partial<DatabaseOptions> & { empty?: boolean } = {},
): Promise<TestDatabase> {
  const { host, port, user, template, major } = inject("postgres");
  const { empty = false, ...rest } = options;
  const name = `test_${randomBytes(8).toString("hex")}`;
  const at = { host, port, user };
  await asAdmin(at, `create database ${name} template ${empty ? "template0" : template}`);
  const settings = { ...at, database: name };
  const database = createDatabase({ ...rest, ...settings });
  const drop = async (): Promise<void> => {
    await database.close();
    await asAdmin(at, `drop database if exists ${name} with (force)`);
  };
  return { database, settings, major, drop };
}

async function asAdmin(
  at: { host: string; port: number; user: string },
  sql: string,
): Promise<void> {
  const admin = createDatabase({ ...at, database: "postgres" });
  const connection = await admin.connection("test-admin", { statementTimeoutMs: 60_000 });
  try {
    await connection.exec(sql);
  } finally {
    await connection.close();
    await admin.close();
  }
}
