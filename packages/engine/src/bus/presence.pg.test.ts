import { afterAll, beforeAll } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { describePresence } from "../../test/presence-suite.ts";
import { postgresNotifications } from "../store/notifications.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

describePresence(() => postgresNotifications(db.database));
