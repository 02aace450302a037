import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../src/postgres/database.ts";
import { eventually } from "../../test/eventually.ts";
import { createTestDatabase } from "../../test/postgres.ts";
import { sessionCases, type SessionWorld } from "./session-cases.ts";

/** What the simulated sessions do is what real ones do: the same cases, here on a real server. */
describe("sessions of PostgreSQL", () => {
  let database: Database;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    const made = await createTestDatabase();
    ({ database } = made);
    drop = made.drop;
  });

  afterAll(async () => await drop());

  const world: SessionWorld = {
    connect: async (label) => await database.connection(label),
    transaction: async (fn) => await database.write(fn),
    // The server notices the end of a session, and hands on a notification, a moment later.
    until: async (condition) => {
      await eventually("the server has noticed", async () => await condition());
    },
  };

  test.each(sessionCases)("$name", async ({ run }) => {
    await expect(run(world)).resolves.toBeUndefined();
  });
});
