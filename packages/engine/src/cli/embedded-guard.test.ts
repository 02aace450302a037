import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testCli } from "../../test/cli-context.ts";
import { loadConfig } from "../config.ts";
import { silentLogger, type Logger } from "../lib/logger.ts";
import { createDatabase } from "../postgres/database.ts";
import { guardEmbedded } from "./embedded-guard.ts";
import { awaitDatabase, findDatabase } from "./open-database.ts";

it("starts the embedded database again when it is killed", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "parley-guard-"));
  const { context } = testCli({ PARLEY_DATA_DIR: dataDir });
  const { config } = loadConfig(context);
  const place = await findDatabase(config, context, silentLogger);
  const restarted = Promise.withResolvers<void>();
  const logger: Logger = {
    ...silentLogger,
    info: (_fields, message) => {
      if (message === "embedded database ready") restarted.resolve();
    },
  };
  const guard = guardEmbedded(place, config, context, logger);
  const database = createDatabase({ ...place.settings, logger: silentLogger });
  try {
    await database.identity();
    process.kill(place.embedded!.pid, "SIGKILL");
    await restarted.promise;
    await awaitDatabase(database, context, silentLogger, new AbortController().signal);
    const rows = await database.one({ name: "test.alive", text: "select 1 as one" });
    expect(rows).toEqual([{ one: 1 }]);
  } finally {
    await database.close();
    await guard.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});
