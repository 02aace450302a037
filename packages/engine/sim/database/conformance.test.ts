import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDatabase, type Database } from "../../src/postgres/database.ts";
import { replaceGlobals } from "../globals.ts";
import { SimProcess } from "../process.ts";
import { createRng } from "../rng.ts";
import { Scheduler } from "../scheduler.ts";
import { Trace } from "../trace.ts";
import { Weather } from "../weather.ts";
import { Backend } from "./backend.ts";
import { DatabaseServer } from "./server.ts";
import { sessionCases, type SessionWorld } from "./session-cases.ts";
import { DatabaseSocket } from "./socket.ts";

/** The same cases as on a real server (`conformance.pg.test.ts`), on the simulated one. */
describe("simulated sessions", () => {
  let backend: Backend;

  beforeAll(async () => {
    backend = await Backend.start();
  });

  afterAll(async () => await backend.close());

  test.each(sessionCases)("$name", async ({ run }) => {
    backend.reset();
    const scheduler = new Scheduler();
    const rng = createRng("conformance");
    const restore = replaceGlobals({ wallMs: scheduler.wallMs, float: () => rng.float() });
    const weather = new Weather(rng, () => {});
    const trace = new Trace(() => scheduler.nowMs);
    const server = new DatabaseServer({ backend, scheduler, trace, rng, weather });
    const process = new SimProcess({ name: "client", scheduler, rng });
    const stream = (): DatabaseSocket =>
      new DatabaseSocket({ server, process, scheduler, weather });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    process.deliver(() => {
      const database = createDatabase({
        host: "database",
        port: 1,
        user: "parley",
        database: "parley",
        stream,
        clock: process.clock,
      });
      run(worldOf(database, process)).then(resolve, reject);
    });
    promise.catch(() => {});
    await scheduler.run(5_000);
    restore();
    await expect(promise).resolves.toBeUndefined();
  });
});

function worldOf(database: Database, process: SimProcess): SessionWorld {
  return {
    connect: async (label) => await database.connection(label),
    transaction: async (fn) => await database.write(fn),
    until: async (condition) => {
      for (let i = 0; i < 50 && !(await condition()); i++) {
        await process.clock.sleep(10, "conformance");
      }
    },
  };
}
