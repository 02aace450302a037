import type { Database } from "../postgres/database.ts";
import { migrationsFolder } from "../postgres/migrate.ts";
import { pendingMigrations, readMigrations } from "../postgres/migrations.ts";

/** What `parley doctor` wants to know of a database. */
export interface ServerFacts {
  /** "18.4". */
  readonly version: string;
  /** 180004. */
  readonly version_number: number;
  /** Milliseconds since 1970 by the server's clock. */
  readonly now_ms: number;
  readonly connections_max: number;
  readonly connections_used: number;
  /** A standby: it takes no writes. */
  readonly is_standby: boolean;
  readonly database_bytes: number;
  /** Whether this account may make the schema, if it is not there yet. */
  readonly may_create: boolean;
  readonly has_schema: boolean;
  /** "on" means that an acknowledged commit survives a crash of the server. */
  readonly fsync: string;
  readonly synchronous_commit: string;
}

export async function readServerFacts(database: Database): Promise<ServerFacts> {
  const [facts] = await database.one<ServerFacts>(
    {
      name: "diagnosis.server",
      text: `select current_setting('server_version') as version,
               current_setting('server_version_num')::int as version_number,
               (extract(epoch from clock_timestamp()) * 1000)::double precision as now_ms,
               current_setting('max_connections')::int as connections_max,
               (select count(*)::int from pg_stat_activity where backend_type = 'client backend')
                 as connections_used,
               pg_is_in_recovery() as is_standby,
               pg_database_size(current_database()) as database_bytes,
               has_database_privilege(current_database(), 'CREATE') as may_create,
               to_regnamespace('parley') is not null as has_schema,
               current_setting('fsync') as fsync,
               current_setting('synchronous_commit') as synchronous_commit`,
    },
    { operation: "diagnosis" },
  );
  return facts as ServerFacts;
}

/** @throws MigrationMismatch where database and code do not fit together. */
export async function readMigrationState(
  database: Database,
): Promise<{ applied: number; pending: number }> {
  const files = await readMigrations(migrationsFolder);
  const [table] = await database.one<{ exists: boolean }>(
    {
      name: "diagnosis.migrations_table",
      text: `select to_regclass('parley.migrations') is not null as exists`,
    },
    { operation: "diagnosis" },
  );
  if (table?.exists !== true) return { applied: 0, pending: files.length };
  const applied = await database.one<{ number: number; name: string; checksum: string }>(
    {
      name: "diagnosis.migrations",
      text: `select number, name, checksum from parley.migrations order by number`,
    },
    { operation: "diagnosis" },
  );
  return { applied: applied.length, pending: pendingMigrations(files, applied).length };
}
