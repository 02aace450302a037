import { randomUUID } from "node:crypto";
import type { Commit } from "../src/domain/commit.ts";
import { Machine } from "../src/machine/machine.ts";
import type { Database } from "../src/postgres/database.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

/** A database of its own with a machine on it, an owner of chats and a worker that lives. */
export interface World {
  readonly database: Database;
  readonly settings: TestDatabase["settings"];
  readonly machine: Machine;
  readonly owner: string;
  readonly worker: string;
  /** What was published since the last call. */
  published(): Commit[];
  /** Chats of which somebody was told to look, since the last call. */
  perhaps(): string[];
  /** Moves the database's clock. */
  advance(ms: number): Promise<void>;
  /** Runs SQL outside of the machine. */
  sql<R = Record<string, unknown>>(text: string, values?: unknown[]): Promise<R[]>;
  drop(): Promise<void>;
}

export async function createWorld(): Promise<World> {
  const { database, settings, drop } = await createTestDatabase();
  const commits: Commit[] = [];
  const doubts: string[] = [];
  let offsetMs = 0;
  const machine = new Machine({
    database,
    publisher: {
      published: (more) => void commits.push(...more),
      perhaps: (chatId) => void doubts.push(chatId),
    },
    acquirer: null,
    leaseMs: 20_000,
  });
  const sql = async <R>(text: string, values: unknown[] = []): Promise<R[]> =>
    await database.write((tx) => tx.query<R>({ name: `test:${hash(text)}`, text, values }));
  const owner = randomUUID();
  const worker = randomUUID();
  await sql(`insert into parley.principals (id, name) values ($1, 'owner')`, [owner]);
  await sql(
    `insert into parley.workers (id, version, capacity, healthy_since)
     values ($1, 'test', 10, parley.now() - interval '1 minute')`,
    [worker],
  );
  return {
    database,
    settings,
    machine,
    owner,
    worker,
    published: () => commits.splice(0),
    perhaps: () => doubts.splice(0),
    async advance(ms) {
      offsetMs += ms;
      await database.write((tx) =>
        tx.exec(`create or replace function parley.now() returns timestamptz language sql volatile parallel safe
          as 'select clock_timestamp() + interval ''${offsetMs} milliseconds'''`),
      );
    },
    sql,
    drop,
  };
}

function hash(text: string): string {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h >>> 0).toString(16);
}
