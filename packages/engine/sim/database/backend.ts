import { PGlite } from "@electric-sql/pglite";
import { runInDatabase } from "../globals.ts";
import { join } from "node:path";
import { queryFrame, rowsOf } from "./wire.ts";
import { searchPath, shadowSchema, tellingTriggers } from "./shadows.ts";
import { readMigrations } from "../../src/postgres/migrations.ts";

const migrations = join(import.meta.dirname, "../../migrations");

/** The one PostgreSQL inside this process: it takes seconds to start, so every simulation here uses it in turn. */
export class Backend {
  readonly #pglite: PGlite;
  /** Statements that are prepared, by name; the session is one, whoever asks. */
  readonly prepared = new Map<string, string>();
  #tables: string | null = null;

  private constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  static async start(): Promise<Backend> {
    const backend = new Backend(await PGlite.create({ username: "postgres" }));
    backend.sql(`create schema parley`);
    for (const { sql } of await readMigrations(migrations)) backend.sql(sql);
    backend.sql(shadowSchema);
    backend.sql(tellingTriggers);
    return backend;
  }

  /** Runs messages of the wire protocol, synchronously and in no time. */
  run(messages: Buffer): Buffer {
    return runInDatabase(() => Buffer.from(this.#pglite.execProtocolRawSync(messages)));
  }

  /** Runs SQL outside of every simulated session. Values are text. @throws Error what PostgreSQL says */
  sql(text: string): Record<string, string | null>[] {
    return rowsOf(this.run(queryFrame(text)));
  }

  /** As after the migrations: no rows, no prepared statements, ids from 1. */
  reset(): void {
    this.sql(`rollback`);
    this.#tables ??= this.sql(
      `select string_agg(format('%I.%I', schemaname, tablename), ', ' order by schemaname, tablename) as names
       from pg_tables where schemaname in ('parley', 'parley_sim')`,
    )[0]?.["names"] as string;
    this.sql(`truncate ${this.#tables} restart identity cascade`);
    this.sql(`alter sequence parley_sim.uuids restart`);
    this.sql(`discard all`);
    this.sql(searchPath);
    this.sql(`listen parley`);
    this.prepared.clear();
  }

  async close(): Promise<void> {
    await this.#pglite.close();
  }
}
