import { afterAll, beforeAll } from "vitest";
import { describeBus, describeReconnection, type BusDriver } from "../../test/bus-suite.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../lib/logger.ts";
import { seededRandom } from "../lib/random.ts";
import { postgresNotifications } from "../store/notifications.ts";
import { ChannelBus } from "./channel-bus.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const driver: BusDriver = {
  bus: (replicaId) =>
    new ChannelBus({
      replicaId,
      channel: postgresNotifications(db.database),
      clock: systemClock,
      random: seededRandom(replicaId),
      logger: silentLogger,
    }),
};

describeBus(driver);

describeReconnection(driver, async () => {
  await db.database.one({
    name: "test.terminate",
    text: `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()
             and (query like 'listen%' or query like '%pg_notify%')`,
  });
});
