import type { Config } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { migrate } from "../postgres/migrate.ts";
import type { ConnectionSettings } from "../postgres/settings.ts";
import { blameTool } from "../tools/stray-errors.ts";
import { say, tell, type CliContext } from "./context.ts";
import { DataFolder } from "./data-folder.ts";
import { checkExposure } from "./doctor/installation.ts";
import { guardEmbedded, type EmbeddedGuard } from "./embedded-guard.ts";
import { CliError, exitCodes, explain } from "./exit.ts";
import { ensureFirstToken } from "./first-token.ts";
import { logOf } from "./log.ts";
import { awaitDatabase, findDatabase, onDatabase, type DatabasePlace } from "./open-database.ts";
import { version } from "./version.ts";
import { webApplication } from "./web/web-application.ts";

/** What `serve` needs of the engine: it is put together in engine.ts. */
export interface ServedEngine {
  /** Known after `start`: the port may have been 0. */
  readonly url: string;
  readonly defaultModel: string;
  start(): Promise<void>;
  /** Ends at step boundaries within the grace period, then gives the rest to others. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

export type EngineFactory = (
  config: Config,
  deps: {
    readonly connection: ConnectionSettings;
    readonly direct?: ConnectionSettings;
    readonly logger: Logger;
    readonly clock: Clock;
    readonly random: Random;
    readonly version: string;
    readonly webRoot?: string | undefined;
  },
) => Promise<ServedEngine>;

/** `parley serve`: runs until it is told to end, and gives the exit code. */
export async function serve(
  config: Config,
  context: CliContext,
  createEngine: EngineFactory,
): Promise<number> {
  const folder = new DataFolder(config.dataDir, context.random);
  await folder.make();
  const kept = await folder.readToken();
  const logger = logOf(config, context, kept === null ? [] : [kept]);
  for (const { text, mend } of checkExposure(config)) logger.warn({ mend }, text);
  const end = new EndSignal(context);
  const offUncaught = context.onUncaught((error) => onUncaught(error, context, logger));
  const cleanUps: (() => Promise<unknown>)[] = [];
  try {
    const place = await findDatabase(config, context, logger);
    const guard = guardEmbedded(place, config, context, logger);
    cleanUps.push(() => guard.stop());
    const token = await prepare(place, config, context, logger, folder, end.signal);
    if (end.signal.aborted) return exitCodes.ok;
    const webRoot = await webApplication(config, context, logger);
    const engine = await createEngine(config, {
      connection: place.settings,
      ...(place.direct && { direct: place.direct }),
      logger,
      clock: context.clock,
      random: context.random,
      version,
      webRoot,
    });
    cleanUps.push(() => engine.stop());
    await startEngine(engine, config, folder);
    const url = config.baseUrl ?? engine.url;
    const startedAt = new Date(context.clock.now()).toISOString();
    cleanUps.push(
      await folder.announce({ url: engine.url, token, version, started_at: startedAt }),
    );
    greet(context, { config, url, token, place, guard, model: engine.defaultModel });
    await end.wait();
    await engine.drain();
    return exitCodes.ok;
  } finally {
    for (const cleanUp of cleanUps.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop
      await cleanUp().catch((err: unknown) => logger.error({ err }, "could not stop cleanly"));
    }
    offUncaught();
    end.dispose();
  }
}

/** A tool that throws where nobody can catch it fails its own call. After any other such error nothing can be relied on. */
function onUncaught(err: unknown, context: CliContext, logger: Logger): void {
  const tool = blameTool(err);
  if (tool !== null) {
    logger.error({ err, tool }, "a tool has thrown where nothing catches it");
    return;
  }
  for (const line of explain(err).lines) tell(context, line);
  context.exit(exitCodes.failure);
}

/** Migrations and the first token, before anything listens. */
export async function prepare(
  place: DatabasePlace,
  config: Config,
  context: CliContext,
  logger: Logger,
  folder: DataFolder,
  signal: AbortSignal,
): Promise<string | null> {
  return await onDatabase(place, config, context, logger, async (database) => {
    await awaitDatabase(database, context, logger, signal);
    await migrate(database, { logger });
    return await ensureFirstToken({
      database,
      folder,
      random: context.random,
      configured: config.token,
      embedded: place.embedded !== null,
    });
  });
}

async function startEngine(
  engine: ServedEngine,
  config: Config,
  folder: DataFolder,
): Promise<void> {
  try {
    await engine.start();
  } catch (cause) {
    throw await explainListen(cause, config, folder);
  }
}

/** What a person can do about an address that cannot be had. */
export async function explainListen(
  cause: unknown,
  { host, port }: Config,
  folder: DataFolder,
): Promise<unknown> {
  const { code } = cause as NodeJS.ErrnoException;
  switch (code) {
    case "EADDRINUSE": {
      const own = (await folder.servers()).find(({ url }) => new URL(url).port === String(port));
      const who =
        own === undefined
          ? "another program listens there"
          : `a Parley of this data folder listens there (process ${own.process.pid})`;
      return new CliError(
        `Port ${port} of ${host} is taken: ${who}.\n` +
          "Use another with PARLEY_PORT or --port; 0 takes any that is free.",
        { cause },
      );
    }
    case "EACCES":
      return new CliError(
        `This account may not listen on port ${port}. Use one above 1023 with PARLEY_PORT or --port.`,
        { cause },
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CliError(
        `${host} is no address of this machine. Set PARLEY_HOST or --host to one that is, or to 0.0.0.0.`,
        { cause },
      );
    default:
      return cause;
  }
}

interface Greeting {
  readonly config: Config;
  readonly url: string;
  readonly token: string | null;
  readonly place: DatabasePlace;
  readonly guard: EmbeddedGuard;
  readonly model: string;
}

function greet(context: CliContext, { config, url, token, place, model }: Greeting): void {
  const query = token === null ? "" : `/?token=${encodeURIComponent(token)}`;
  say(context, `\nParley ${version} runs at\n\n    ${url}${query}\n`);
  if (token === null) {
    say(
      context,
      'The first-use token of this database is kept elsewhere; "parley token create" makes one.',
    );
  }
  const data =
    place.embedded === null ? "your PostgreSQL" : `embedded PostgreSQL in ${config.dataDir}`;
  say(context, `Data    ${data}`);
  const hint = model.startsWith("demo/")
    ? " (no provider key is set; see docs/configuration.md)"
    : "";
  say(context, `Model   ${model}${hint}`);
  say(context, "Talk    parley chat\nEnd     Ctrl-C\n");
}

/** SIGHUP is what a closed terminal sends. */
const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * One Ctrl-C under npm comes twice: the terminal sends it to every process, and npm passes its own on. What comes
 * this soon after the first is the same wish.
 */
const sameWishMs = 500;

/** The first signal asks for an orderly end, the second ends at once. */
class EndSignal {
  readonly #controller = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  readonly dispose: () => void;

  constructor(context: CliContext) {
    let firstAt = 0;
    this.dispose = context.onSignal(endSignals, (signal) => {
      const now = context.clock.monotonic();
      if (this.#controller.signal.aborted) {
        if (now - firstAt < sameWishMs) return;
        tell(
          context,
          `${signal} again: ending at once. What was running goes on at the next start.`,
        );
        context.exit(signal === "SIGINT" ? exitCodes.interrupted : exitCodes.terminated);
      }
      tell(context, `${signal}: letting running steps end; once more ends at once.`);
      firstAt = now;
      this.#controller.abort();
      this.#ended.resolve();
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  wait(): Promise<void> {
    return this.#ended.promise;
  }
}
