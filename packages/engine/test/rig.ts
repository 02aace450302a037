import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { createClient, type Client } from "@parley/client";
import pg from "pg";
import type { TestContext } from "vitest";
import { embeddedUser } from "../src/postgres/embedded/cluster.ts";
import { findPostmaster, type Postmaster } from "../src/postgres/embedded/postmaster.ts";
import { eventually } from "./eventually.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import {
  startProviderServer,
  type ProviderServer,
  type ProviderServerOptions,
} from "./provider-server.ts";
import {
  databaseUrl,
  providerEnv,
  startServerProcess,
  temporaryFolder,
  type ServerProcess,
} from "./server-process.ts";

/** The real server as a process on a database of its own, with scripted providers, that can be killed and started again. */
export interface Rig {
  readonly server: ServerProcess;
  readonly client: Client;
  readonly provider: ProviderServer;
  readonly dataDir: string;
  /** `kill -9`, until it is gone. Its lock is registered by then: otherwise others would wait for its lease to end. */
  kill(): Promise<void>;
  /** Starts it again, on the same port unless the environment says otherwise. */
  restart(env?: Record<string, string>): Promise<void>;
  /** One more server on the same database and data folder, on a port of its own. Ended with the rig. */
  another(env?: Record<string, string>): Promise<ServerProcess>;
  /** SQL from outside, always in the same session. */
  sql<R = Record<string, unknown>>(text: string): Promise<R[]>;
  /** Resolves when everything that the chat has said up to `text` is in its checkpoint. */
  checkpointed(chatId: string, seq: number): Promise<void>;
  /** The live embedded PostgreSQL server. */
  postmaster(): Promise<Postmaster | undefined>;
  close(): Promise<void>;
}

export interface RigOptions {
  readonly env?: Record<string, string>;
  readonly providers?: ProviderServerOptions;
  /** By way of these settings to the database, a proxy's say. */
  readonly through?: (db: TestDatabase) => Promise<TestDatabase["settings"]>;
  /** PostgreSQL from npm in this folder, or in one of its own (`true`), instead of a database of the test's server. */
  readonly embedded?: boolean | string;
}

/** A rig that ends with its test. */
export async function rigOf(context: TestContext, options?: RigOptions): Promise<Rig> {
  const rig = await startRig(options);
  context.onTestFinished(async () => await rig.close());
  return rig;
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o755); // as root without user namespaces the database runs as nobody
  const dataDir =
    typeof options.embedded === "string" ? options.embedded : join(folder.path, "data");
  const db = options.embedded === undefined ? await createTestDatabase() : null;
  const through = db && (await options.through?.(db));
  const provider = await startProviderServer(options.providers);
  const base = {
    PARLEY_DATA_DIR: dataDir,
    PARLEY_LOG_LEVEL: "debug",
    ...(db && { PARLEY_DATABASE_URL: databaseUrl({ settings: through ?? db.settings }) }),
    ...providerEnv(provider),
    GOOGLE_GENERATIVE_AI_API_KEY: "test-key",
    GOOGLE_GENERATIVE_AI_BASE_URL: provider.baseURL("google"),
    ...options.env,
  };
  const others: ServerProcess[] = [];
  let session: pg.Client | null = null;
  const cluster = join(dataDir, "postgres");

  const inside = async (): Promise<pg.Client> => {
    if (session !== null) return session;
    const settings = db?.settings ?? (await embeddedSettings(cluster));
    const client = new pg.Client(settings);
    client.on("error", () => (session = null)); // its server was killed: the next statement connects anew
    await client.connect();
    return (session = client);
  };
  const end = async (server: ServerProcess): Promise<void> => {
    server.kill("SIGKILL");
    await server.exited;
  };

  let server: ServerProcess;
  try {
    server = await startServerProcess({ env: base });
  } catch (error) {
    await provider.close();
    await db?.drop();
    await endPostgres(cluster);
    await folder.remove();
    throw error;
  }
  const client = createClient({ baseUrl: server.url, token: server.token });
  const rig: Rig = {
    get server() {
      return server;
    },
    client,
    provider,
    dataDir,
    async kill() {
      await eventually("the worker's lock is registered", async () => {
        const rows = await rig.sql(`select 1 from parley.workers where lock_key is not null`);
        return rows.length > 0;
      });
      await end(server);
    },
    async restart(env = {}) {
      server = await startServerProcess({ env: { ...base, ...env }, port: server.port });
    },
    async another(env = {}) {
      const other = await startServerProcess({ env: { ...base, ...env } });
      others.push(other);
      return other;
    },
    sql: async <R>(text: string) => (await (await inside()).query(text)).rows as R[],
    async checkpointed(chatId, seq) {
      await eventually(`the checkpoint of ${chatId} has seq ${seq}`, async () => {
        const [row] = await rig.sql<{ last: number | null }>(
          `select max(last_seq) as last from parley.episode_checkpoints where chat_id = '${chatId}'`,
        );
        return (row?.last ?? 0) >= seq;
      });
    },
    postmaster: async () => await findPostmaster(cluster),
    async close() {
      await Promise.all([server, ...others].map(end));
      await provider.close();
      await session?.end();
      await db?.drop();
      await endPostgres(cluster);
      await folder.remove();
    },
  };
  return rig;
}

async function embeddedSettings(cluster: string): Promise<pg.ClientConfig> {
  const find = async (): Promise<Postmaster | undefined> => await findPostmaster(cluster);
  const { socketDir: host, port } = await eventually("the embedded database runs", find);
  return { host, port, user: embeddedUser, database: "parley" };
}

/** What a killed server leaves running. */
export async function endPostgres(cluster: string): Promise<void> {
  const running = await findPostmaster(cluster);
  if (!running) return;
  process.kill(running.pid, "SIGINT");
  await eventually(
    "the embedded database has ended",
    async () => (await findPostmaster(cluster)) === undefined,
  );
}
