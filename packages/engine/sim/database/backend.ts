import { PGlite } from "@electric-sql/pglite";
import { join } from "node:path";
import { readMigrations } from "../../src/postgres/migrations.ts";
import { runInDatabase } from "../globals.ts";
import { searchPath, shadowSchema, tellingTriggers } from "./shadows.ts";
import { findSnapshot, keepSnapshot } from "./snapshot.ts";
import { queryFrame, rowsOf } from "./wire.ts";

const migrations = join(import.meta.dirname, "../../migrations");

/** The one PostgreSQL inside this process: every simulation here uses it in turn. */
export class Backend {
  readonly #pglite: PGlite;
  /** Statements that are prepared, by name; the session is one, whoever asks. */
  readonly prepared = new Map<string, string>();
  #tables: string | null = null;

  private constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  static async start(): Promise<Backend> {
    const files = await readMigrations(migrations);
    const schema = [
      "create schema parley",
      ...files.map(({ sql }) => sql),
      shadowSchema,
      tellingTriggers,
    ];
    const username = "postgres";
    const snapshot = await findSnapshot(schema);
    if (snapshot) return new Backend(await PGlite.create({ username, loadDataDir: snapshot }));
    const pglite = await PGlite.create({ username });
    const backend = new Backend(pglite);
    for (const sql of schema) backend.sql(sql);
    await keepSnapshot(schema, await pglite.dumpDataDir("none"));
    return backend;
  }

  /** Runs messages of the wire protocol, synchronously and in no time. */
  run(messages: Buffer): Buffer {
    const out: Uint8Array[] = [];
    // As a stream, since the other way parses every row for itself. It has run when it returns its promise.
    const options = {
      syncToFs: false,
      onRawData: (data: Uint8Array): void => void out.push(data.slice()),
    };
    let failed: { readonly reason: unknown } | null = null;
    runInDatabase(() => {
      this.#pglite.execProtocolRawStream(messages, options).catch((reason: unknown) => {
        failed = { reason };
      });
    });
    if (failed !== null) throw new Error("the database inside this process failed", failed);
    return Buffer.concat(out);
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
