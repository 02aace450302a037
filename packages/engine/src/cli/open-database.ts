import type { Config } from "../config.ts";
import type { Logger } from "../lib/logger.ts";
import { createDatabase, type Database } from "../postgres/database.ts";
import { startEmbedded, type EmbeddedServer } from "../postgres/embedded.ts";
import { DatabaseUnavailable } from "../postgres/errors.ts";
import type { ConnectionSettings } from "../postgres/settings.ts";
import type { CliContext } from "./context.ts";
import { CliError } from "./exit.ts";

/** Where the database is, and the embedded server when there is one to give up at the end. */
export interface DatabasePlace {
  readonly settings: ConnectionSettings;
  /** For what needs a session of its own, where a pooler stands before the database. */
  readonly direct: ConnectionSettings | null;
  readonly embedded: EmbeddedServer | null;
}

/** The database of the configuration: the one that its URL names, else the data folder's own, started if need be. */
export async function findDatabase(
  config: Config,
  context: CliContext,
  logger: Logger,
): Promise<DatabasePlace> {
  if (config.databaseUrl !== null) {
    const { databaseDirectUrl } = config;
    return {
      settings: { connectionString: config.databaseUrl },
      direct: databaseDirectUrl === null ? null : { connectionString: databaseDirectUrl },
      embedded: null,
    };
  }
  const embedded = await startEmbedded(embeddedOptions(config, context, logger));
  return { settings: embedded.settings, direct: null, embedded };
}

export function embeddedOptions(
  config: Config,
  { clock, random }: CliContext,
  logger: Logger,
): Parameters<typeof startEmbedded>[0] {
  const { dataDir, postgresBinDir } = config;
  return {
    dataDir,
    ...(postgresBinDir !== null && { binDir: postgresBinDir }),
    logger,
    clock,
    random,
  };
}

/** Two connections are enough for a command. */
const commandPoolSize = 2;

/** Runs a command's work on the database and leaves everything as it was found. */
export async function withDatabase<T>(
  config: Config,
  context: CliContext,
  logger: Logger,
  fn: (database: Database, place: DatabasePlace) => Promise<T>,
): Promise<T> {
  const place = await findDatabase(config, context, logger);
  try {
    return await onDatabase(place, config, context, logger, (database) => fn(database, place));
  } finally {
    await place.embedded?.stop();
  }
}

export async function onDatabase<T>(
  place: DatabasePlace,
  config: Config,
  { clock, random }: CliContext,
  logger: Logger,
  fn: (database: Database) => Promise<T>,
): Promise<T> {
  const database = createDatabase({
    ...place.settings,
    ...(place.direct && { direct: place.direct }),
    poolSize: commandPoolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
    logger,
    clock,
    random,
  });
  try {
    return await fn(database);
  } finally {
    await database.close();
  }
}

/** In a group of services that start together the database may come up later than we do. */
const databaseWaitMs = 60_000;
const databasePollMs = 1_000;

/** Waits until the database answers. @throws CliError when it refuses us, or does not answer in time. */
export async function awaitDatabase(
  database: Database,
  { clock }: CliContext,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const until = clock.monotonic() + databaseWaitMs;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      await database.identity();
      return;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error;
      const reason = error.cause instanceof Error ? `: ${error.cause.message}` : "";
      if (signal.aborted || error.reason === "refused" || clock.monotonic() >= until) {
        throw new CliError(
          `${capital(error.message)}${reason}\n` +
            'Check PARLEY_DATABASE_URL; "parley doctor" looks at everything around it.',
          { cause: error },
        );
      }
      logger.warn({ reason: error.reason }, `waiting for the database${reason}`);
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(databasePollMs, "cli.database", signal);
    }
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
