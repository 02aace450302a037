import { fileURLToPath } from "node:url";
import { ParleyError } from "../lib/errors.ts";
import { silentLogger, type Logger } from "../lib/logger.ts";
import type { Database } from "./database.ts";
import {
  pendingMigrations,
  readMigrations,
  type AppliedMigration,
  type Migration,
} from "./migrations.ts";
import type { Sql } from "./sql.ts";

export class UnsupportedPostgres extends ParleyError {
  constructor(version: string) {
    super(
      "unsupported_postgres",
      `PostgreSQL ${version} is too old: Parley needs PostgreSQL ${serverMajorMin} or newer`,
      { details: { version } },
    );
  }
}

export interface MigrateOptions {
  /** Where the numbered files are; the engine's own by default. */
  folder?: string;
  logger?: Logger;
}

const serverMajorMin = 15;

/** Any number that nobody else locks on: the first bytes of SHA-256 of "parley.migrations". */
const migrationLockKey = "7291842095135231";

/** Another process may be applying a long migration. */
const migrationLockWaitMs = 300_000;

/** The migrations that come with the engine. */
export const migrationsFolder = fileURLToPath(new URL("../../migrations", import.meta.url));

/**
 * Brings the database to the newest migration and gives the numbers applied. Forward only, each in its own
 * transaction; any number of processes may call this at once. Throws `UnsupportedPostgres`, `MigrationMismatch`,
 * or what the database says.
 */
export async function migrate(database: Database, options: MigrateOptions = {}): Promise<number[]> {
  const files = await readMigrations(options.folder ?? migrationsFolder);
  const logger = options.logger ?? silentLogger;
  const connection = await database.connection("migrate", {
    statementTimeoutMs: 0,
    lockTimeoutMs: migrationLockWaitMs,
  });
  try {
    await checkVersion(connection);
    // Looked at before anything is locked or created: a replica without the right to do either may start.
    if (pendingMigrations(files, await appliedMigrations(connection)).length === 0) return [];
    // Of the session, not of a transaction: each migration is to commit by itself. It ends with the connection.
    await connection.exec(`select pg_advisory_lock(${migrationLockKey})`);
    await connection.exec(createTable);
    const pending = pendingMigrations(files, await appliedMigrations(connection));
    for (const migration of pending) {
      await apply(connection, migration);
      logger.info({ number: migration.number, name: migration.name }, "migration applied");
    }
    return pending.map(({ number }) => number);
  } finally {
    await connection.close();
  }
}

const createTable = `
  create schema if not exists parley;
  create table if not exists parley.migrations (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default clock_timestamp()
  )`;

async function checkVersion(sql: Sql): Promise<void> {
  const [row] = await sql.query<{ number: number; version: string }>({
    name: "server_version",
    text: `select current_setting('server_version_num')::int as number,
      current_setting('server_version') as version`,
  });
  if (!row || row.number < serverMajorMin * 10_000)
    throw new UnsupportedPostgres(row?.version ?? "?");
}

async function appliedMigrations(sql: Sql): Promise<AppliedMigration[]> {
  const [table] = await sql.query<{ exists: boolean }>({
    name: "migrations_table",
    text: "select to_regclass('parley.migrations') is not null as exists",
  });
  if (!table?.exists) return [];
  return sql.query<AppliedMigration>({
    name: "migrations_applied",
    text: "select number, name, checksum from parley.migrations order by number",
  });
}

async function apply(sql: Sql, { number, name, sql: text, checksum }: Migration): Promise<void> {
  await sql.exec("begin");
  try {
    await sql.exec(text);
    await sql.query({
      name: "migration_insert",
      text: "insert into parley.migrations (number, name, checksum) values ($1, $2, $3)",
      values: [number, name, checksum],
    });
    await sql.exec("commit");
  } catch (error) {
    await sql.exec("rollback").catch(() => {}); // the connection is closed next in any case
    throw new ParleyError("migration_failed", `migration ${number} (${name}) failed`, {
      details: { number, name },
      cause: error,
    });
  }
}
