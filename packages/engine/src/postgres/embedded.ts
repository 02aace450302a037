import { mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { systemClock, type Clock } from "../lib/clock.ts";
import { silentLogger, type Logger } from "../lib/logger.ts";
import { systemRandom, type Random } from "../lib/random.ts";
import { chooseAccount, handOver } from "./embedded/account.ts";
import { findBinaries, readableByAll } from "./embedded/binaries.ts";
import { clusterVersion, createCluster, embeddedUser } from "./embedded/cluster.ts";
import { EmbeddedUnavailable } from "./embedded/error.ts";
import { explainFailure, orphansPattern } from "./embedded/failure.ts";
import { withFolderLock } from "./embedded/folder-lock.ts";
import { findPostmaster, type Postmaster } from "./embedded/postmaster.ts";
import { commandLine } from "./embedded/process-identity.ts";
import { startServer, type ServerProcess } from "./embedded/server-process.ts";
import { embeddedPort, socketFolder } from "./embedded/socket-dir.ts";
import { addUser, countUsers, removeUser } from "./embedded/users.ts";
import { isSqlStateError } from "./errors.ts";
import { endClient } from "./session.ts";

export interface EmbeddedOptions {
  /** Made if missing. Any number of processes of one account may share it; its content is ours. */
  dataDir: string;
  /** A folder with `initdb` and `postgres` to use instead of the npm package's. */
  binDir?: string;
  /** false: nothing is flushed to disk. For tests. */
  durable?: boolean;
  logger?: Logger;
  clock?: Clock;
  random?: Random;
}

export interface EmbeddedServer {
  settings: { host: string; port: number; user: string; database: string };
  /** The server's own process, as it was found or started. */
  pid: number;
  /** Whether it ran already when we came. */
  attached: boolean;
  /** Starts the server again if it has died (out of memory, a kill -9), at the same place. Safe at any time. */
  revive(): Promise<void>;
  /** Gives it up; the last one out stops it. Safe to call more than once. */
  stop(): Promise<void>;
}

const databaseName = "parley";

/** A start with recovery of a killed server's log. */
const startWaitMs = 120_000;
const startPollMs = 10;

/** A server that is there but stuck counts as not ready, and is asked again until `startWaitMs` is over. */
const answerWaitMs = 5_000;

/** After SIGINT the server drops its clients and writes a checkpoint. */
const stopWaitMs = 30_000;
const stopPollMs = 5;

/** Starts the server of the data folder, or attaches to the one that runs. Throws `EmbeddedUnavailable`. */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  try {
    return await new Launcher(options, await makeDataDir(options.dataDir)).start();
  } catch (error) {
    throw error instanceof EmbeddedUnavailable
      ? error
      : explainFailure(
          "the launcher",
          error instanceof Error ? error.message : String(error),
          error,
        );
  }
}

async function makeDataDir(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  // One name for one folder: the server is recognised by it.
  return realpath(dataDir);
}

class Launcher {
  readonly #dataDir: string;
  readonly #clusterDir: string;
  readonly #lockDir: string;
  readonly #usersDir: string;
  readonly #options: EmbeddedOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;

  constructor(options: EmbeddedOptions, dataDir: string) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#clusterDir = join(dataDir, "postgres");
    this.#lockDir = join(dataDir, "postgres.lock");
    this.#usersDir = join(dataDir, "postgres.users");
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom(this.#clock);
    this.#logger = options.logger ?? silentLogger;
  }

  start(): Promise<EmbeddedServer> {
    return this.#locked(async () => {
      const running = await this.#ready();
      const user = this.#random.uuid();
      await addUser(this.#usersDir, user);
      this.#logger.info(
        { pid: running.pid, attached: running.attached, dataDir: this.#dataDir },
        "embedded database ready",
      );
      let stopping: Promise<void> | undefined;
      return {
        ...running,
        revive: () => this.#locked(async () => void (stopping ?? (await this.#ready()))),
        stop: () => (stopping ??= this.#leave(user)),
      };
    });
  }

  #locked<T>(fn: () => Promise<T>): Promise<T> {
    return withFolderLock(this.#lockDir, { clock: this.#clock, random: this.#random }, fn);
  }

  /** Looks until a server answers: one that runs, one that is just stopping or recovering, or one of our own. */
  async #ready(): Promise<Omit<EmbeddedServer, "revive" | "stop">> {
    const until = this.#clock.monotonic() + startWaitMs;
    let started: ServerProcess | undefined;
    for (;;) {
      const running = await findPostmaster(this.#clusterDir);
      if (running && (await this.#answers(running))) {
        const { pid, port, socketDir: host } = running;
        const settings = { host, port, user: embeddedUser, database: databaseName };
        return { settings, pid, attached: started === undefined };
      }
      if (!running && (!started || (await this.#mayTryAgain(started))))
        started = await this.#launch();
      if (this.#clock.monotonic() > until) {
        throw explainFailure(
          "postgres",
          (await started?.output()) ?? "it runs, but does not answer",
        );
      }
      await this.#clock.sleep(startPollMs, "embedded.start");
    }
  }

  /** false while it is not ready; makes our database on the first visit. */
  async #answers({ socketDir, port }: Postmaster): Promise<boolean> {
    const connect = async (database: string, sql: string): Promise<void> => {
      const limits = { connectionTimeoutMillis: answerWaitMs, query_timeout: answerWaitMs };
      const client = new Client({
        host: socketDir,
        port,
        user: embeddedUser,
        database,
        ...limits,
      });
      client.on("error", () => {}); // a server that goes away while we look is not ready, no more
      try {
        await client.connect();
        await client.query(sql);
      } finally {
        await endClient(client);
      }
    };
    try {
      await connect(databaseName, "select 1");
      return true;
    } catch (error) {
      const missing = isSqlStateError(error) && error.code === "3D000";
      if (!missing) return false;
    }
    await connect("postgres", `create database ${databaseName}`);
    return true;
  }

  /** Whether the server that we started is over for a reason that passes; throws for one that does not. */
  async #mayTryAgain(started: ServerProcess): Promise<boolean> {
    const ended = started.ended();
    if (ended === undefined) return false;
    const output = await started.output();
    if (orphansPattern.test(output)) return true;
    throw explainFailure("postgres", output || ended);
  }

  async #launch(): Promise<ServerProcess> {
    const account = await chooseAccount(this.#clusterDir);
    let binaries = await findBinaries(this.#options.binDir, this.#dataDir);
    if (account === "nobody") binaries = await readableByAll(binaries, this.#dataDir);
    const durable = this.#options.durable ?? true;
    const socketDir = await socketFolder(this.#dataDir);
    if ((await clusterVersion(this.#clusterDir)) === undefined) {
      await createCluster(this.#clusterDir, binaries, account, durable, this.#random);
    }
    await handOver(account, [this.#clusterDir, socketDir]);
    return startServer({
      clusterDir: this.#clusterDir,
      socketDir,
      port: embeddedPort,
      logFile: join(this.#dataDir, "postgres.log"),
      binaries,
      account,
      durable,
    });
  }

  #leave(user: string): Promise<void> {
    return this.#locked(async () => {
      await removeUser(this.#usersDir, user);
      if ((await countUsers(this.#usersDir)) > 0) return;
      const running = await findPostmaster(this.#clusterDir);
      if (!running) return;
      // Fast shutdown. SIGTERM would wait for clients that nobody is left to close.
      if (interrupt(running.pid)) await this.#gone(running);
    });
  }

  /** Until the process has ended: its pid file goes before it does, and it holds on to the folder until then. */
  async #gone({ pid }: Postmaster): Promise<void> {
    const until = this.#clock.monotonic() + stopWaitMs;
    while ((await commandLine(pid)) !== undefined) {
      if (this.#clock.monotonic() > until) {
        this.#logger.warn({ pid }, "the embedded database is slow to stop; it goes on by itself");
        return;
      }
      await this.#clock.sleep(stopPollMs, "embedded.stop");
    }
  }
}

/** false when the process has ended by itself in the meantime. */
function interrupt(pid: number): boolean {
  try {
    return process.kill(pid, "SIGINT");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
