import type { Config } from "../../config.ts";
import type { Logger } from "../../lib/logger.ts";
import { Scope } from "../../lib/scope.ts";
import { say, type CliContext } from "../context.ts";
import { DataFolder } from "../data-folder.ts";
import { checkExposure } from "../doctor/installation.ts";
import { guardEmbedded } from "../embedded-guard.ts";
import { CliError, exitCodes } from "../exit.ts";
import { logOf } from "../log.ts";
import { findDatabase, type DatabasePlace } from "../open-database.ts";
import { explainListen, prepare } from "../serve.ts";
import { version } from "../version.ts";
import { webApplication } from "../web/web-application.ts";
import { EndWish } from "./end-wish.ts";
import { Front } from "./front.ts";
import { Members } from "./members.ts";
import type { Health } from "./rotation.ts";
import { TypedCommands } from "./typed-commands.ts";

export interface ClusterOptions {
  readonly replicas: number;
  /** Start again what died. */
  readonly restart: boolean;
  /** Flags of `parley serve` that were given and hold for every replica. */
  readonly flags: readonly string[];
}

/** On top of the drain's grace: streams are closed over two seconds, then requests have five. */
const endExtraMs = 15_000;

/** `parley cluster`: several servers over one database behind one address, to try and to break. Gives the exit code. */
export async function cluster(
  config: Config,
  context: CliContext,
  options: ClusterOptions,
): Promise<number> {
  if (config.single) {
    throw new CliError("A cluster has several servers: PARLEY_SINGLE and --single must be off.", {
      exitCode: exitCodes.usage,
    });
  }
  const folder = new DataFolder(config.dataDir, context.random);
  await folder.make();
  const kept = await folder.readToken();
  const logger = logOf(config, context, kept === null ? [] : [kept]);
  for (const { text, mend } of checkExposure(config)) logger.warn({ mend }, text);
  const wish = new EndWish(context);
  const cleanUps: (() => Promise<unknown>)[] = [];
  try {
    // Held here too: the last replica may be killed, and the database must neither go with it nor stay behind.
    const place = await findDatabase(config, context, logger);
    const guard = guardEmbedded(place, config, context, logger);
    cleanUps.push(() => guard.stop());
    const token = await prepare(place, config, context, logger, folder, wish.signal);
    const run = new Run({ config, context, options, folder, logger, wish, place, token });
    cleanUps.push(() => run.end());
    // Once for all of them: they find it done.
    await webApplication(config, context, logger);
    if (!wish.signal.aborted) await run.start();
    await wish.wait();
    return exitCodes.ok;
  } finally {
    for (const cleanUp of cleanUps.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop
      await cleanUp().catch((err: unknown) => logger.error({ err }, "could not stop cleanly"));
    }
    wish.dispose();
  }
}

interface RunDeps {
  readonly config: Config;
  readonly context: CliContext;
  readonly options: ClusterOptions;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly wish: EndWish;
  readonly place: DatabasePlace;
  readonly token: string | null;
}

/** The front, the replicas behind it, and what is typed. */
class Run {
  readonly #deps: RunDeps;
  readonly #scope: Scope;
  readonly #front: Front;
  #members: Members | null = null;
  #typed: TypedCommands | null = null;
  #takeBack: (() => Promise<void>) | null = null;
  #url = "";

  constructor(deps: RunDeps) {
    const { context, logger } = deps;
    this.#deps = deps;
    this.#scope = new Scope((err, label) => logger.error({ err, label }, "background work failed"));
    this.#front = new Front({
      clock: context.clock,
      onHealth: (name, health) => say(context, `Replica ${name} ${healthWords[health]}.`),
    });
  }

  async start(): Promise<void> {
    const { context, config, wish } = this.#deps;
    const port = await this.#listen();
    this.#url = config.baseUrl ?? `http://${reachable(config.host)}:${port}`;
    const members = this.#makeMembers();
    this.#members = members;
    wish.onSecond(() => members.killAll());
    const up = await Promise.all(members.names.map((name) => members.start(name)));
    if (wish.signal.aborted) return;
    if (!up.every(Boolean)) throw new CliError("Not every replica has come up; see above.");
    this.#greet(members);
    if (!context.stdin.isTTY) return;
    this.#typed = new TypedCommands(context, members, this.#scope, () => wish.end());
    this.#typed.start();
  }

  /** Lets replicas drain, and closes the address when none is left. */
  async end(): Promise<void> {
    this.#typed?.stop();
    await this.#members?.end(this.#deps.config.drainGraceMs + endExtraMs);
    await this.#takeBack?.();
    await this.#front.close();
    await this.#scope.stop();
  }

  async #listen(): Promise<number> {
    const { config, folder } = this.#deps;
    try {
      return await this.#front.listen(config.host, config.port);
    } catch (cause) {
      throw await explainListen(cause, config, folder);
    }
  }

  #makeMembers(): Members {
    const { config, context, options, folder } = this.#deps;
    const { clock, random, stderr } = context;
    const text = config.logFormat === "text" || (config.logFormat === "auto" && stderr.isTTY);
    const { PARLEY_RELAY_URL: _, ...env } = context.env;
    return new Members({
      count: options.replicas,
      restart: options.restart,
      front: this.#front,
      clock,
      random,
      scope: this.#scope,
      replica: {
        folder,
        env,
        // The last of a flag counts, and flags count before variables: each listens where it finds room.
        args: [
          ...options.flags,
          ...givenTo({
            host: "127.0.0.1",
            port: "0",
            "base-url": this.#url,
            "relay-host": "127.0.0.1",
            "relay-port": "0",
            "log-format": text ? "text" : "json",
          }),
        ],
      },
      // JSON lines stay JSON.
      onLine: (name, line) => void stderr.write(text ? `[${name}] ${line}\n` : `${line}\n`),
      report: (said) => say(context, said),
      onUp: async () => await this.#announce(),
    });
  }

  /** `parley chat` takes the newest server of the data folder: that is to be the front. */
  async #announce(): Promise<void> {
    const { context, folder, token } = this.#deps;
    const before = this.#takeBack;
    this.#takeBack = await folder.announce({
      url: this.#url,
      token,
      version,
      started_at: new Date(context.clock.now()).toISOString(),
    });
    await before?.();
  }

  #greet(members: Members): void {
    const { context, token, place, config } = this.#deps;
    const query = token === null ? "" : `/?token=${encodeURIComponent(token)}`;
    say(context, `\nParley ${version} runs ${members.names.length} times behind\n`);
    say(context, `    ${this.#url}${query}\n`);
    if (token === null) {
      say(
        context,
        'The first-use token of this database is kept elsewhere; "parley token create" makes one.',
      );
    }
    const data =
      place.embedded === null ? "your PostgreSQL" : `embedded PostgreSQL in ${config.dataDir}`;
    say(context, `Data    ${data}\nTalk    parley chat`);
    say(context, `\n${members.list().join("\n")}\n`);
    say(context, "Kill one in the middle of a reply (kill -9 PROCESS) and watch the reply go on.");
    if (context.stdin.isTTY) say(context, 'Or type here: "kill 2"; "help" lists what there is.');
    say(context, "End     Ctrl-C\n");
  }
}

const healthWords: Record<Health, string> = {
  ready: "is ready",
  unready: "is not ready: it gets no new requests",
  silent: "does not answer: its streams are cut",
};

function givenTo(flags: Readonly<Record<string, string>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
}

/** A name that a browser on this machine can open: "all addresses" is none. */
function reachable(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
