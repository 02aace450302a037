import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, ParleyApiError, ParleyNetworkError, type Client } from "@parley/client";
import pg from "pg";
import type { Random } from "../../src/lib/random.ts";
import { startEmbedded, type EmbeddedServer } from "../../src/postgres/embedded.ts";
import { isFatal, isSqlStateError, isTransient } from "../../src/postgres/errors.ts";
import { createDatabaseProxy, type DatabaseProxy } from "../database-proxy.ts";
import { eventually } from "../eventually.ts";
import { createNetworkProxy, type NetworkProxy } from "../network-proxy.ts";
import {
  databaseUrl,
  startServerProcess,
  temporaryFolder,
  type ServerProcess,
} from "../server-process.ts";

/** Replicas as processes over one database, each of which may be killed and started again. */
export interface Fleet {
  readonly members: readonly Member[];
  /** The server itself, whose bad days these are. */
  readonly database: EmbeddedServer & { readonly clusterDir: string };
  /** Between replicas and database, where it was asked for. */
  readonly proxy: DatabaseProxy | null;
  /** SQL from outside; a server that stops, recovers or is away is asked again until it answers. */
  sql<R extends pg.QueryResultRow>(text: string): Promise<R[]>;
  /** Asks any replica, another one where that is away, with the same key: the wish takes effect once. */
  anywhere<T>(wish: (client: Client) => Promise<T>): Promise<T>;
  any(): Member;
  /** Wishes that had to be told again, by why. */
  readonly again: ReadonlyMap<string, number>;
  /** Statements and turns that all processes so far have counted, those that were killed included. */
  counted(): Promise<Counted>;
  close(): Promise<void>;
}

export interface Counted {
  readonly statements: Readonly<Record<string, number>>;
  readonly takeovers: number;
}

export interface Member {
  readonly index: number;
  readonly client: Client;
  readonly up: boolean;
  readonly url: string;
  readonly pid: number;
  readonly wires: Wires | null;
  signal(signal: NodeJS.Signals): void;
  /** Ends it with this signal. Returns its exit code. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
  /** Starts it, again at the same address. */
  start(): Promise<void>;
  /** Ends it, and starts it again. */
  restart(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
  /** Adds up what the process has counted so far: once in its life, before it is ended. */
  count(): Promise<void>;
  output(): string;
}

/** Between one replica and everybody else, where that was asked for. */
export interface Wires {
  readonly relay: NetworkProxy;
  readonly clients: NetworkProxy;
  readonly database: DatabaseProxy;
}

export interface FleetOptions {
  readonly size: number;
  readonly random: Random;
  readonly seed: string;
  readonly env?: Record<string, string>;
  /** The port of a provider of the test's own; else one is started as a process. */
  readonly providerPort?: number;
  readonly throughProxy?: boolean;
  /** Each member has proxies of its own between it and the others, the clients and the database. */
  readonly throughWires?: boolean;
  /** Another way to the database for all members. */
  readonly through?: (settings: EmbeddedServer["settings"]) => Promise<EmbeddedServer["settings"]>;
  /** Where a member runs: settings of its own, and what its command begins with. */
  readonly place?: (index: number) => Place;
  /** The address of a provider that is started here. Default: loopback. */
  readonly providerHost?: string;
}

export interface Place {
  readonly env: Record<string, string>;
  readonly within: readonly string[];
}

/** On a machine that has other things to do a replica may take half a minute to come back. */
const wishMsMax = 120_000;

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o755); // as root without user namespaces the database runs as nobody
  const embedded = await startEmbedded({ dataDir: join(folder.path, "db") });
  const { host, port, user, database } = embedded.settings;
  const proxy = options.throughProxy === true ? await createDatabaseProxy(embedded.settings) : null;
  const { providerHost = "127.0.0.1", place = () => ({ env: {}, within: [] }) } = options;
  const through = options.through ? await options.through(embedded.settings) : embedded.settings;
  const provider =
    options.providerPort === undefined
      ? await startProviderProcess(options.seed, providerHost)
      : { port: options.providerPort, close: () => {} };
  const env = {
    PARLEY_DATABASE_URL: databaseUrl(proxy ?? { settings: through }),
    OPENAI_API_KEY: "test-key",
    OPENAI_BASE_URL: `http://${providerHost}:${provider.port}/v1`,
    PARLEY_LOG_LEVEL: "info",
    ...options.env,
  };
  const members: FleetMember[] = [];
  for (let index = 0; index < options.size; index++) {
    const dataDir = join(folder.path, `replica-${index}`);
    // oxlint-disable-next-line no-await-in-loop
    await mkdir(dataDir);
    const { env: own, within } = place(index);
    const member = new FleetMember(index, { ...env, ...own, PARLEY_DATA_DIR: dataDir }, within);
    // oxlint-disable-next-line no-await-in-loop
    if (options.throughWires === true) await member.wire((proxy ?? embedded).settings);
    // oxlint-disable-next-line no-await-in-loop
    await member.start();
    members.push(member);
  }
  const session = new pg.Pool({ host, port, user, database, max: 2 });
  session.on("error", () => {}); // its server was ended: the next statement connects anew
  const up = (): FleetMember[] => members.filter((member) => member.up);
  const again = new Map<string, number>();
  const any = (): FleetMember => {
    const candidates = up().length > 0 ? up() : members;
    return candidates[Math.floor(options.random.float() * candidates.length)]!;
  };
  return {
    members,
    database: { ...embedded, clusterDir: join(folder.path, "db", "postgres") },
    proxy,
    any,
    again,
    sql: async <R extends pg.QueryResultRow>(text: string) =>
      await eventually("the database answers", async () => {
        try {
          return (await session.query<R>(text)).rows;
        } catch (error) {
          if (isOfStatement(error)) throw error;
          return undefined;
        }
      }),
    async anywhere(wish) {
      const until = performance.now() + wishMsMax;
      for (;;) {
        try {
          // oxlint-disable-next-line no-await-in-loop
          return await wish(any().client);
        } catch (error) {
          if (!mayPass(error) || performance.now() > until) throw error;
          again.set(error.code, (again.get(error.code) ?? 0) + 1);
          // oxlint-disable-next-line no-await-in-loop
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    },
    async counted() {
      await Promise.all(members.map(async (member) => await member.count()));
      const statements: Record<string, number> = {};
      let takeovers = 0;
      for (const member of members) {
        takeovers += member.takeovers;
        for (const [operation, n] of Object.entries(member.statements)) {
          statements[operation] = (statements[operation] ?? 0) + n;
        }
      }
      return { statements, takeovers };
    },
    async close() {
      await Promise.all(members.map(async (member) => await member.end("SIGKILL")));
      await Promise.all(members.map(async (member) => await member.unwire()));
      await session.end();
      provider.close();
      await proxy?.close();
      await embedded.stop();
      await folder.remove();
    },
  };
}

/** Whether the server has refused the statement itself: all else is how one says that it is not there. */
function isOfStatement(error: unknown): boolean {
  return isSqlStateError(error) && !isFatal(error) && !isTransient(error);
}

/** Whether the same wish may be granted elsewhere, or a moment later. */
function mayPass(error: unknown): error is ParleyNetworkError | ParleyApiError {
  if (error instanceof ParleyNetworkError) return true;
  return error instanceof ParleyApiError && (error.status >= 500 || error.status === 429);
}

class FleetMember implements Member {
  readonly index: number;
  readonly statements: Record<string, number> = {};
  takeovers = 0;
  #env: Record<string, string>;
  wires: Wires | null = null;
  #server: ServerProcess | null = null;
  #client: Client | null = null;
  #up = false;
  #earlier = "";
  readonly #within: readonly string[];

  constructor(index: number, env: Record<string, string>, within: readonly string[]) {
    this.index = index;
    this.#env = env;
    this.#within = within;
  }

  get up(): boolean {
    return this.#up;
  }

  get client(): Client {
    return this.#client!;
  }

  get url(): string {
    return this.#server!.url;
  }

  get pid(): number {
    return this.#server!.pid;
  }

  output(): string {
    return this.#earlier + (this.#server?.output() ?? "");
  }

  signal(signal: NodeJS.Signals): void {
    this.#server?.kill(signal);
  }

  /** Before its first start. */
  async wire(settings: EmbeddedServer["settings"]): Promise<void> {
    const relayPort = await freePort();
    const relay = await createNetworkProxy(() => relayPort);
    const clients = await createNetworkProxy(() => this.#server?.port ?? 1);
    const database = await createDatabaseProxy(settings);
    this.wires = { relay, clients, database };
    this.#env = {
      ...this.#env,
      PARLEY_DATABASE_URL: databaseUrl(database),
      PARLEY_RELAY_PORT: String(relayPort),
      PARLEY_RELAY_URL: `ws://127.0.0.1:${relay.port}`,
    };
  }

  async unwire(): Promise<void> {
    if (this.wires === null) return;
    const { relay, clients, database } = this.wires;
    await Promise.all([relay.close(), clients.close(), database.close()]);
  }

  async start(): Promise<void> {
    const port = this.#server?.port;
    const settings = {
      env: this.#env,
      within: this.#within,
      ...(port === undefined ? {} : { port }),
    };
    this.#earlier = this.output();
    this.#server = await startServerProcess(settings);
    const { token } = this.#server;
    const wire = this.wires?.clients;
    const url = wire ? `http://127.0.0.1:${wire.port}` : this.#server.url;
    // Trying again is for the one who asks: it goes elsewhere. A person would not wait half a second either.
    this.#client ??= createClient(
      { baseUrl: url, token, retriesMax: 0, timeoutMs: 15_000 },
      { backoffMsMin: 100, backoffMsMax: 1_000 },
    );
    this.#up = true;
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    this.#up = false;
    this.signal(signal);
    return (await this.#server?.exited)?.code ?? null;
  }

  async restart(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const code = await this.end(signal);
    await this.start();
    return code;
  }

  async count(): Promise<void> {
    try {
      const answer = await fetch(`${this.#server!.url}/metrics`, {
        headers: { authorization: `Bearer ${this.#server!.token}` },
        signal: AbortSignal.timeout(5_000),
      });
      for (const line of (await answer.text()).split("\n")) this.#countLine(line);
    } catch {
      // It has just been killed: what it counted is not known.
    }
  }

  #countLine(line: string): void {
    const n = Number(line.slice(line.lastIndexOf(" ") + 1));
    const statement = /^parley_database_statements_total\{operation="([^"]+)"\}/.exec(line)?.[1];
    if (statement) this.statements[statement] = (this.statements[statement] ?? 0) + n;
    if (line.startsWith('parley_chats_acquired_total{how="takeover"')) this.takeovers += n;
  }
}

/** One that nobody listens on at the moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startProviderProcess(
  seed: string,
  host: string,
): Promise<{ port: number; close(): void }> {
  const program = fileURLToPath(new URL("provider-main.ts", import.meta.url));
  const child = spawn(process.execPath, [program, seed, host], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(/port (\d+)/.exec(first.toString())?.[1]);
  return { port, close: () => child.stdin.end() };
}
