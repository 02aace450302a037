import type { Commit } from "../src/domain/commit.ts";
import type { FileStore } from "../src/domain/files.ts";
import type { Clock } from "../src/lib/clock.ts";
import { systemClock } from "../src/lib/clock.ts";
import type { Logger } from "../src/lib/logger.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { systemRandom } from "../src/lib/random.ts";
import { hashToken, newToken } from "../src/domain/token.ts";
import type { ChatServersPolicy } from "../src/http/commands/chat-servers.ts";
import type { HttpLimits } from "../src/http/limits.ts";
import type { MetricsPort } from "../src/http/health.ts";
import { createHttpServer, type HttpServer } from "../src/http/server.ts";
import { Machine } from "../src/machine/machine.ts";
import type { Publisher } from "../src/machine/ports.ts";
import type { ModelInfo } from "../src/models/model-port.ts";
import { unknownTraits } from "../src/models/model-table.ts";
import type { Database } from "../src/postgres/database.ts";
import { SchemaChecker } from "../src/schemas/checker.ts";
import { insertPrincipal } from "../src/store/principals.ts";
import { insertToken } from "../src/store/tokens.ts";
import { PartBuffer } from "../src/parts/part-buffer.ts";
import { createCheckpoints } from "../src/store/checkpoints.ts";
import { createFileStore } from "../src/store/file-bytes.ts";
import type { Streams, WatchStreams } from "../src/stream/ports.ts";
import { ChatStreams } from "../src/stream/streams.ts";
import { ChatWatch } from "../src/stream/watch.ts";
import type { World } from "./world.ts";

/** Someone with a token. */
export interface TestCaller {
  principalId: string;
  tokenId: string;
  token: string;
}

export interface TestAnswer {
  status: number;
  headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
  body: any;
  text: string;
}

export interface TestHttpServer {
  server: HttpServer;
  machine: Machine;
  database: Database;
  url: string;
  port: number;
  /** The caller of `call` where none is given. */
  caller: TestCaller;
  /** What the machine has published. */
  commits: Commit[];
  /** Where a worker would put what a model says. */
  parts: PartBuffer;
  streams: ChatStreams;
  watch: ChatWatch;
  /** For `chatIn`: its chats are the caller's. */
  world: World;
  newCaller(options?: { isAdmin?: boolean; expiresInSeconds?: number }): Promise<TestCaller>;
  call(method: string, path: string, options?: CallOptions): Promise<TestAnswer>;
  /** What checks schemas of formats that are asked for. */
  readonly schemas: SchemaChecker;
  close(): Promise<void>;
}

export interface CallOptions {
  body?: unknown;
  /** The body as it is, instead of `body`. */
  raw?: string | Uint8Array;
  /** Null: no token. */
  as?: TestCaller | null;
  headers?: Record<string, string>;
}

export interface TestServerOptions {
  /** Instead of the real ones. */
  streams?: Streams;
  watch?: WatchStreams;
  clock?: Clock;
  logger?: Logger;
  limits?: Partial<HttpLimits>;
  metrics?: MetricsPort;
  worker?: () => "held" | "lost" | "none";
  /** The id of the server's own worker. */
  workerId?: string;
  port?: number;
  chatServers?: ChatServersPolicy;
  publicHosts?: readonly string[];
  files?: FileStore;
  webRoot?: string;
}

const models: ModelInfo[] = [
  { id: "demo/demo", provider: "demo", name: "Demo", ...unknownTraits },
  {
    id: "demo/echo",
    provider: "demo",
    name: "Echo",
    ...unknownTraits,
    context_window_tokens: 1000,
    max_output_tokens: 500,
    efforts: ["low", "high"],
  },
];

/** The real server and the real machine on loopback, over a database of the caller's; no worker takes the chats. */
export async function startHttpServer(
  database: Database,
  options: TestServerOptions = {},
): Promise<TestHttpServer> {
  const clock = options.clock ?? systemClock;
  const random = systemRandom(systemClock);
  const commits: Commit[] = [];
  const publisher: Publisher = {
    published(some) {
      commits.push(...some);
      streams.committed(some);
      watch.committed(some);
      server.onCommits(some);
    },
    perhaps: () => {},
  };
  const machine = new Machine({ database, publisher, acquirer: null, leaseMs: 20_000 });
  const logger = options.logger ?? silentLogger;
  const parts = new PartBuffer({ clock, logger });
  const checkpoints = createCheckpoints(database);
  const streams = new ChatStreams({
    database,
    episodes: parts,
    checkpoints,
    clock,
    random,
    logger,
  });
  const watch = new ChatWatch({ database, clock, random, logger });
  streams.start();
  watch.start();
  const schemas = new SchemaChecker({ clock: systemClock });
  const server = await createHttpServer({
    machine,
    schemas,
    titles: { enabled: false, make: () => {} },
    database,
    streams: options.streams ?? streams,
    watch: options.watch ?? watch,
    models: {
      has: (model) => model.startsWith("demo/"),
      list: () => models,
      info: (model) => models.find(({ id }) => id === model) ?? null,
      providers: () => ["demo"],
      optionsOf: (provider) => (provider === "demo" ? ["mood"] : null),
      defaultModel: () => "demo/demo",
    },
    files: options.files ?? createFileStore(database),
    fileLinkSecret: "secret of the test's links",
    health: { worker: options.worker ?? (() => "held") },
    operator: {
      rules: {
        limits: { roots: 7, roots_per_owner: null, sub_agents: null, sub_agents_per_owner: null },
        lease_ms: 20_000,
        silence_ms: 1_500,
      },
      isHere: (workerId) => workerId === options.workerId,
    },
    clock,
    random,
    logger,
    checkAnswers: true,
    version: "1.2.3",
    ...(options.limits ? { limits: options.limits } : {}),
    ...(options.chatServers ? { chatServers: options.chatServers } : {}),
    ...(options.metrics ? { metrics: options.metrics } : {}),
    ...(options.publicHosts ? { publicHosts: options.publicHosts } : {}),
    webRoot: options.webRoot,
  });
  const { port } = await server.listen("127.0.0.1", options.port ?? 0);
  const url = `http://127.0.0.1:${port}`;

  const newCaller: TestHttpServer["newCaller"] = async (who = {}) => {
    const token = newToken(random);
    return await database.write(async (tx) => {
      const principal = await insertPrincipal(tx, {
        id: random.uuid(),
        name: "somebody",
        is_admin: who.isAdmin ?? false,
      });
      const row = await insertToken(tx, {
        id: random.uuid(),
        principal_id: principal.id,
        name: "test",
        token_hash: hashToken(token),
        expires_in_seconds: who.expiresInSeconds ?? null,
      });
      return { principalId: principal.id, tokenId: row.id, token };
    });
  };
  const caller = await newCaller();

  const call: TestHttpServer["call"] = async (method, path, request = {}) => {
    const as = request.as === undefined ? caller : request.as;
    const headers: Record<string, string> = { ...request.headers };
    if (as) headers["authorization"] ??= `Bearer ${as.token}`;
    let body: string | Uint8Array | undefined;
    if (request.raw !== undefined) body = request.raw;
    else if (request.body !== undefined) body = JSON.stringify(request.body);
    if (body !== undefined) headers["content-type"] ??= "application/json";
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== "" ? JSON.parse(text) : undefined,
      text,
    };
  };

  const sql: World["sql"] = async <R>(text: string, values: unknown[] = []): Promise<R[]> => {
    const name = `test:${hashToken(text).toString("hex").slice(0, 50)}`;
    return await database.write((tx) => tx.query<R>({ name, text, values }));
  };
  let offsetMs = 0;
  const world = {
    database,
    machine,
    owner: caller.principalId,
    worker: "",
    published: () => commits.splice(0),
    perhaps: () => [],
    async advance(ms: number) {
      offsetMs += ms;
      await database.write((tx) =>
        tx.exec(`create or replace function parley.now() returns timestamptz language sql volatile parallel safe
          as 'select clock_timestamp() + interval ''${offsetMs} milliseconds'''`),
      );
    },
    sql,
    drop: async () => {},
  } as Partial<World> as World;

  return {
    world,
    server,
    machine,
    database,
    url,
    port,
    caller,
    commits,
    newCaller,
    call,
    parts,
    streams,
    watch,
    schemas,
    close: async () => {
      await server.close();
      await schemas.stop();
      await Promise.all([streams.stop(), watch.stop()]);
      parts.stop();
    },
  };
}
