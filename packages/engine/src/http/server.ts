import type { AddressInfo } from "node:net";
import { fastifyCookie } from "@fastify/cookie";
import { emptySchema } from "@parley/protocol";
import type { RouteOptions } from "fastify";
import type { ChatHint, Commit } from "../domain/commit.ts";
import type { FileStore } from "../domain/files.ts";
import { noStandingBudgets, type SpendPolicy } from "../domain/spending.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { Scope } from "../lib/scope.ts";
import type { Machine } from "../machine/machine.ts";
import type { Database } from "../postgres/database.ts";
import type { SchemaChecker } from "../schemas/checker.ts";
import type { Streams, WatchStreams } from "../stream/ports.ts";
import { ChatAccess } from "./access.ts";
import { createApp, type App, type Refuse } from "./app.ts";
import type { Site } from "./auth/authenticate.ts";
import { Authenticator } from "./auth/authenticator.ts";
import { isLoopbackAddress } from "./auth/origin.ts";
import { ChatSignals } from "../machine/chat-signals.ts";
import type { ChatServersPolicy } from "./commands/chat-servers.ts";
import type { ModelCatalogue, OperatorPort, TitleMaker } from "./context.ts";
import type { HealthPort, MetricsPort, RequestObserver } from "./health.ts";
import { FileLinks } from "./files/links.ts";
import { addHooks } from "./hooks.ts";
import { defaultHttpLimits, type HttpLimits } from "./limits.ts";
import { mcpRoute } from "./mcp/route.ts";
import { describeApi } from "./openapi.ts";
import { createRefuse, replyWithProblems } from "./problem-replies.ts";
import { chatRoutes } from "./routes/chats.ts";
import { fileRoutes } from "./routes/files.ts";
import { plainHomeRoute, webHomeRoute } from "./routes/home.ts";
import { messageRoutes } from "./routes/messages.ts";
import { modelRoutes } from "./routes/models.ts";
import { operationRoutes } from "./routes/operations.ts";
import { queueRoutes } from "./routes/queue.ts";
import { replicaRoutes } from "./routes/replicas.ts";
import { spendingRoutes } from "./routes/spending.ts";
import { sessionRoutes } from "./routes/session.ts";
import { streamRoutes } from "./routes/streams.ts";
import { tokenRoutes } from "./routes/tokens.ts";
import { turnRoutes } from "./routes/turn.ts";
import { uploadRoute } from "./routes/upload.ts";
import type { StreamContext } from "./transports/open.ts";
import { StreamRegistry } from "./transports/stream-registry.ts";
import { acceptWebSockets } from "./transports/upgrade.ts";
import { isNavigation, WebApp } from "./web/web-app.ts";

/** How requests come in, instead of a port: for the simulator. */
export type HttpDoor = (app: Pick<App, "inject" | "server">) => { url: string; port: number };

export interface HttpServerOptions {
  readonly door?: HttpDoor;
  readonly machine: Machine;
  readonly database: Database;
  readonly streams: Streams;
  readonly watch: WatchStreams;
  readonly models: ModelCatalogue;
  /** Absent: chats bring no MCP servers along. */
  readonly chatServers?: ChatServersPolicy;
  readonly schemas: Pick<SchemaChecker, "check">;
  readonly titles: TitleMaker;
  readonly files: FileStore;
  /** What links to files are signed with: the same on every replica. */
  readonly fileLinkSecret: string;
  readonly health: HealthPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: MetricsPort;
  readonly observer?: RequestObserver;
  readonly limits?: Partial<HttpLimits>;
  /** Default: no budgets but those that people set. */
  readonly spending?: SpendPolicy;
  readonly operator: OperatorPort;
  /** `host[:port]` of the addresses under which a proxy makes this server known. */
  readonly publicHosts?: readonly string[];
  /** Named in the OpenAPI document. */
  readonly version?: string;
  /** The folder of the built web application. Absent: a plain page in its place. */
  readonly webRoot?: string | undefined;
  /** Check every answer against its schema: for tests. */
  readonly checkAnswers?: boolean;
}

export interface HttpServer {
  /** @throws the system's error where the address is taken or not ours. */
  listen(host: string, port: number): Promise<{ url: string; port: number }>;
  /** Commits of this replica, from the machine's publisher: who waits for one of them looks. */
  onCommits(commits: readonly Commit[]): void;
  /** Changes made elsewhere, from the bus. */
  onHint(hint: ChatHint): void;
  /**
   * Takes no new work and no new streams from now on, and fails readiness. Reads, and calls that end something (stop
   * above all), go on until `close`.
   */
  drain(): void;
  /** Ends what is left, streams with a code that asks to reconnect, and waits for the requests under way. */
  close(): Promise<void>;
}

/** How long requests that are under way may take once the server closes. */
const closeGraceMs = 5_000;

const apiRoutes = [
  chatRoutes,
  messageRoutes,
  queueRoutes,
  turnRoutes,
  fileRoutes,
  tokenRoutes,
  spendingRoutes,
  replicaRoutes,
  modelRoutes,
  streamRoutes,
] as const;

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = new FastifyServer(options);
  await server.build();
  return server;
}

class FastifyServer implements HttpServer {
  readonly #options: HttpServerOptions;
  readonly #app: App;
  readonly #refuse: Refuse;
  readonly #scope: Scope;
  readonly #draining = new AbortController();
  readonly #context: StreamContext;
  #site: Site = { port: 0, loopbackOnly: true, publicHosts: [] };
  #closing: Promise<void> | undefined;

  constructor(options: HttpServerOptions) {
    const { machine, database, streams, watch, models, clock, random, logger } = options;
    const limits = { ...defaultHttpLimits, ...options.limits };
    this.#options = options;
    this.#scope = new Scope((err, label) => logger.error({ err, label }, "background work failed"));
    const { requestBodyBytesMax } = limits;
    this.#refuse = createRefuse({ logger, requestBodyBytesMax });
    this.#app = createApp({
      random,
      requestBodyBytesMax,
      refuse: this.#refuse,
      checkAnswers: options.checkAnswers ?? false,
    });
    const common = { database, clock, logger, scope: this.#scope };
    this.#context = {
      machine,
      database,
      streams,
      watch,
      models,
      schemas: options.schemas,
      titles: options.titles,
      clock,
      random,
      logger,
      limits,
      spending: options.spending ?? noStandingBudgets,
      operator: options.operator,
      chatServers: options.chatServers ?? null,
      access: new ChatAccess(database),
      authenticator: new Authenticator({ ...common, tokenCacheMs: limits.tokenCacheMs }),
      signals: new ChatSignals(),
      files: options.files,
      fileLinks: new FileLinks(options.fileLinkSecret),
      streamRegistry: new StreamRegistry({ ...common, tokenRecheckMs: limits.tokenRecheckMs }),
      draining: this.#draining.signal,
      site: () => this.#site,
    };
  }

  /** Registers everything; the routes come after what documents and guards them. */
  async build(): Promise<void> {
    const app = this.#app;
    const context = this.#context;
    const { webRoot, version = "0.0.0" } = this.#options;
    const web = webRoot === undefined ? null : await WebApp.open(app, webRoot);
    replyWithProblems(app, this.#refuse, (request, reply) =>
      web !== null && isNavigation(request) ? web.page(reply) : null,
    );
    addHooks(app, { ...context, observer: this.#options.observer });
    // Without its hook: it only brings the parser, which upgrades need too and most requests do not.
    await app.register(fastifyCookie, { hook: false });
    await describeApi(app, version);
    await app.register(async (root) => {
      if (web === null) plainHomeRoute(root, context, context.site);
      else webHomeRoute(root, context, web, context.site);
      web?.routes(root);
      mcpRoute(root, context, version);
      operationRoutes(root, context, {
        health: this.#options.health,
        metrics: this.#options.metrics,
        site: context.site,
      });
    });
    await app.register(
      async (api) => {
        api.addHook("onRoute", refuseUnknownQueries);
        for (const routes of apiRoutes) routes(api, context);
        await api.register(async (scope) => await uploadRoute(scope, context));
        sessionRoutes(api, context, { version, site: context.site });
        documentRoute(api);
      },
      { prefix: "/api/v1" },
    );
    await app.ready();
    acceptWebSockets(app.server, context, this.#scope);
    context.streamRegistry.start();
  }

  async listen(host: string, port: number): Promise<{ url: string; port: number }> {
    const publicHosts = this.#options.publicHosts ?? [];
    // Set before the first request can come: the port follows as soon as it is known.
    this.#site = { port, loopbackOnly: isLoopbackAddress(host), publicHosts };
    if (this.#options.door) return this.#options.door(this.#app);
    await this.#app.listen({ host, port });
    const address = this.#app.server.address() as AddressInfo;
    this.#site = { ...this.#site, port: address.port };
    return { url: `http://${reachableName(host)}:${address.port}`, port: address.port };
  }

  onCommits(commits: readonly Commit[]): void {
    this.#context.signals.committed(commits);
  }

  onHint(hint: ChatHint): void {
    this.#context.signals.hint(hint);
  }

  drain(): void {
    this.#draining.abort();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.drain();
    const { clock, streamRegistry } = this.#context;
    streamRegistry.endAll("reconnect");
    const late = clock.timer(closeGraceMs, "http.close", () =>
      this.#app.server.closeAllConnections(),
    );
    await this.#app.close();
    late.cancel();
    await this.#scope.stop();
  }
}

/** A field in a query that a route does not have is refused, like one in a body. */
function refuseUnknownQueries(route: RouteOptions): void {
  route.schema = { ...route.schema, querystring: route.schema?.querystring ?? emptySchema };
}

/** The document is made once, when it is first asked for: every route is there by then. */
function documentRoute(app: App): void {
  let document: string | undefined;
  app.route({
    method: "GET",
    url: "/openapi.json",
    config: { auth: "open" },
    schema: { hide: true },
    handler: async (_request, reply) => {
      document ??= JSON.stringify(app.swagger());
      return reply.type("application/json").send(document);
    },
  });
}

/** A name that a browser on this machine can open: "all addresses" is none. */
function reachableName(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
