import type { Config } from "../config.ts";
import { migrate } from "../postgres/migrate.ts";
import { readMigrationState } from "../store/diagnosis.ts";
import { say, type CliContext } from "./context.ts";
import { exitCodes } from "./exit.ts";
import { quietLogOf } from "./log.ts";
import { withDatabase } from "./open-database.ts";

export async function migrateDatabase(
  config: Config,
  context: CliContext,
  options: { check?: boolean },
): Promise<number> {
  const logger = quietLogOf(config, context);
  return await withDatabase(config, context, logger, async (database) => {
    if (options.check === true) {
      const { applied, pending } = await readMigrationState(database);
      say(context, `${applied} migrations applied, ${pending} to do.`);
      return pending === 0 ? exitCodes.ok : exitCodes.failure;
    }
    const numbers = await migrate(database, { logger });
    say(
      context,
      numbers.length === 0
        ? "The database is up to date."
        : `Applied ${numbers.length === 1 ? "migration" : "migrations"} ${numbers.join(", ")}.`,
    );
    return exitCodes.ok;
  });
}
