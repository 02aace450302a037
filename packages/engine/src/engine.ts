import { readFile } from "node:fs/promises";
import type { Bus } from "./bus/bus.ts";
import { ChannelBus } from "./bus/channel-bus.ts";
import { InProcessBus } from "./bus/in-process-bus.ts";
import { natsChannel } from "./bus/nats-channel.ts";
import { modelSettings, spendPolicy, type Config } from "./config.ts";
import type { RunningLimits } from "./domain/running-limits.ts";
import { FanOut } from "./engine/fan-out.ts";
import { Housekeeping } from "./engine/housekeeping.ts";
import { createHttpServer, type HttpDoor } from "./http/server.ts";
import { systemClock, type Clock } from "./lib/clock.ts";
import type { Logger } from "./lib/logger.ts";
import type { Random } from "./lib/random.ts";
import { Sealer } from "./lib/seal.ts";
import { livenessDefaults } from "./worker/liveness/options.ts";
import { ChatServers } from "./machine/chat-servers.ts";
import { Machine } from "./machine/machine.ts";
import type { ModelPort } from "./models/model-port.ts";
import { PriceTable } from "./models/prices/price-table.ts";
import { createModels, ModelsConfigInvalid } from "./models/registry.ts";
import { retryDefaults } from "./models/retry-policy.ts";
import { CheckpointLoop } from "./parts/checkpoint-loop.ts";
import { PartBuffer } from "./parts/part-buffer.ts";
import { createDatabase, type Database } from "./postgres/database.ts";
import type { ConnectionSettings } from "./postgres/settings.ts";
import { Replica } from "./engine/replica.ts";
import type { BacklogRules } from "./store/backlog.ts";
import { createCheckpoints } from "./store/checkpoints.ts";
import { createFileStore } from "./store/file-bytes.ts";
import { postgresNotifications } from "./store/notifications.ts";
import { readRelayUrl } from "./store/relay-peers.ts";
import { settingOrInsert } from "./store/settings.ts";
import type { RelayNetwork } from "./stream/relay/ports.ts";
import { Relay, type RelayOptions } from "./stream/relay/relay.ts";
import { ChatStreams } from "./stream/streams.ts";
import { ChatWatch } from "./stream/watch.ts";
import { SchemaChecker, type Schemas } from "./schemas/checker.ts";
import { Figures } from "./telemetry/figures.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { Titles } from "./titles/titles.ts";
import { loadTools } from "./tools/load-tools.ts";
import { McpTools } from "./tools/mcp/mcp-tools.ts";
import { Reach } from "./tools/mcp/reach.ts";
import { demoTools } from "./tools/demo-tools.ts";
import { ToolRegistry } from "./tools/registry.ts";
import { containErrors } from "./tools/stray-errors.ts";
import { subAgentTools } from "./tools/sub-agents/tools.ts";
import type { Tool } from "./tools/tool.ts";
import { SubAgentService } from "./worker/sub-agents/service.ts";
import { priced } from "./worker/spending/estimate.ts";
import { createWorker, type Worker } from "./worker/worker.ts";

const relaySecretBytes = 32;
const fileLinkSecretBytes = 32;
const secretsKeyBytes = 32;

export interface EngineDeps {
  readonly connection: ConnectionSettings;
  /** For what needs a session of its own, where a pooler stands before the database. */
  readonly direct?: ConnectionSettings;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly version: string;
  /** The embedding application's own tools. */
  readonly tools?: readonly Tool[];
  /** The folder of the built web application. Absent: there is a plain page at `/`. */
  readonly webRoot?: string | undefined;
  /** Instead of the providers that the configuration names: for tests and the simulator. */
  readonly models?: ModelPort;
  /** Instead of a thread, which takes real time: for the simulator. */
  readonly schemas?: Schemas;
  /** Instead of sockets, and of what observes a whole process: for the simulator. */
  readonly network?: EngineNetwork;
}

export interface EngineNetwork {
  readonly http: HttpDoor;
  readonly relay: RelayNetwork;
}

/**
 * One replica: API, worker and streams over one migrated database. This is the one place where the parts are put
 * together; nothing runs before the replica's `start`.
 */
export async function createEngine(config: Config, deps: EngineDeps): Promise<Replica> {
  const { clock, random } = deps;
  const tools = [
    ...(deps.tools ?? []),
    ...(config.tools === null ? [] : await loadTools(config.tools)),
  ];
  const database = createDatabase({
    ...deps.connection,
    ...(deps.direct && { direct: deps.direct }),
    poolSize: config.poolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
    logger: deps.logger.child({ part: "database" }),
    clock,
    random,
  });
  try {
    const relay = config.single ? null : await relayOptions(config, database, random);
    const sealer = new Sealer(await secretsKey(config, database, random), random);
    const chatServers = new ChatServers(sealer);
    const parts = assemble(config, deps, database, relay, tools, chatServers);
    return await createReplica(config, parts, deps);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function createReplica(config: Config, parts: Parts, deps: EngineDeps): Promise<Replica> {
  const http = await createHttpServer({
    machine: parts.machine,
    database: parts.database,
    streams: parts.streams,
    watch: parts.watch,
    models: parts.models,
    chatServers: {
      servers: parts.chatServers,
      taken: new Set(config.mcpServers.map(({ name }) => name)),
      reach: parts.reach,
    },
    files: parts.files,
    fileLinkSecret: await fileLinkSecret(parts.database, deps.random),
    schemas: parts.schemas,
    titles: parts.titles,
    health: { worker: () => workerHealth(config, parts.worker) },
    operator: {
      rules: parts.backlogRules,
      isHere: (workerId) => parts.worker.is(workerId),
    },
    clock: deps.clock,
    random: deps.random,
    logger: deps.logger.child({ part: "http" }),
    metrics: parts.metrics,
    observer: parts.metrics,
    version: deps.version,
    webRoot: deps.webRoot,
    limits: {
      messageBodyBytesMax: config.messageBodyBytesMax,
      queueMessagesMax: config.queueMessagesMax,
      fileBytesMax: config.fileBytesMax,
      filesPerChatMax: config.filesPerChatMax,
      fileBytesPerOwnerMax: config.fileBytesPerOwnerMax,
      fileTypes: config.fileTypes,
      fileUnusedMs: config.fileUnusedMs,
      fileAgeMs: config.fileAgeMs,
      fileLinkMs: config.fileLinkMs,
      frameEventsMax: config.frameEventsMax,
      clientFrameBytesMax: config.clientFrameBytesMax,
      systemPromptBytesMax: config.systemPromptBytesMax,
      clientToolsMax: config.clientToolsMax,
      mcpServersMax: config.chatMcpServersMax,
      labelsMax: config.labelsMax,
      pageMessagesMax: config.pageMessagesMax,
    },
    spending: spendPolicy(config),
    publicHosts: config.baseUrl === null ? [] : [new URL(config.baseUrl).host],
    ...(deps.network && { door: deps.network.http }),
  });
  return new Replica(config, parts, http, deps.logger);
}

/** Everything that a replica is made of but its HTTP server. */
export type Parts = ReturnType<typeof assemble>;

function assemble(
  config: Config,
  deps: EngineDeps,
  database: Database,
  relayTo: RelayOptions | null,
  ownTools: readonly Tool[],
  chatServers: ChatServers,
) {
  const { clock, random, version } = deps;
  const logger = (part: string): Logger => deps.logger.child({ part });
  const common = { clock, random };

  const { leaseMs, silenceMs } = livenessDefaults;
  const limits = runningLimits(config);
  const backlogRules: BacklogRules = { limits, lease_ms: leaseMs, silence_ms: silenceMs };

  const bus = createBus(config, database, { ...common, logger: logger("bus") });
  const fanOut = new FanOut(bus);
  const machine = new Machine({
    database,
    publisher: fanOut,
    acquirer: null,
    leaseMs,
    limits,
  });

  const partBuffer = new PartBuffer({ clock, logger: logger("parts") });
  const checkpointPort = createCheckpoints(database);
  const checkpoints = new CheckpointLoop({
    parts: partBuffer,
    port: checkpointPort,
    clock,
    logger: logger("checkpoints"),
  });

  // Its thread takes real time, whatever time is here.
  const schemas = deps.schemas ?? new SchemaChecker({ clock: systemClock });
  const models = deps.models ?? createModels(modelSettings(config), common);
  const own = new Set(ownTools.map(({ name }) => name));
  // A deployment's own tool may have the name of one that only plays.
  const tools = new ToolRegistry(demoTools(common).filter(({ name }) => !own.has(name)));
  for (const tool of ownTools) tools.register(containErrors(tool));
  const reach = new Reach(config.mcpPrivateHosts);
  const mcp = new McpTools({
    servers: config.mcpServers,
    reach,
    version,
    logger: logger("mcp"),
    ...common,
  });
  tools.addSource(mcp.source);

  const metrics = createMetrics({ version, processMetrics: deps.network === undefined });
  const figures = new Figures(
    {
      take: () => metrics.figures.take(),
      statements: () => database.stats.statements(),
      parts: () => partBuffer.saidParts(),
      pool: () => database.stats.pool(),
    },
    clock.monotonic(),
  );
  const subAgents = new SubAgentService({
    machine,
    database,
    models,
    observer: metrics.worker,
    servers: chatServers,
    limits: {
      depthMax: config.subAgentDepth,
      busyMax: config.subAgentsPerChat,
      queueMessagesMax: config.queueMessagesMax,
    },
    ...common,
  });
  for (const tool of subAgentToolsOf(config, subAgents)) tools.register(tool);
  const files = createFileStore(database);
  const spending = { prices: new PriceTable(config.prices), policy: spendPolicy(config) };
  const worker = createWorker({
    machine,
    database,
    files,
    parts: partBuffer,
    checkpoints: {
      flush: async () => await checkpoints.flush(),
      flushEpisode: async (key) => await checkpoints.flushEpisode(key),
      read: async (chatId, historyVersion) => await checkpointPort.read(chatId, historyVersion),
    },
    models,
    schemas,
    tools,
    mcp: { tools: mcp, servers: chatServers },
    logger: logger("worker"),
    observer: metrics.worker,
    options: {
      version,
      relayUrl: () => relay?.url ?? null,
      capacity: config.capacity,
      drainGraceMs: config.drainGraceMs,
      figures: () => {
        const made = figures.take(clock.monotonic());
        return made && JSON.stringify(made);
      },
      stepsMax: config.turnStepsMax,
      stepToolCallsMax: config.stepToolCallsMax,
      turnMs: config.turnMs === 0 ? null : config.turnMs,
      approvalDeadlineMs: config.approvalDeadlineMs,
      clientToolDeadlineMs: config.clientToolDeadlineMs,
      promptFileBytesMax: config.promptFileBytesMax,
      retry: {
        ...retryDefaults,
        attemptsMax: config.modelAttemptsMax,
        fallbackAttempts: config.modelFallbackAttempts,
      },
      spending,
      compaction: {
        model: compactionModel(config, models),
        percent: config.compactionPercent,
        windowTokensDefault: config.contextWindowTokens,
      },
    },
    ...common,
  });

  const titles = new Titles({
    machine,
    models,
    clock,
    logger: logger("titles"),
    model: titleModel(config, models),
    priced: (model, usage) => priced(spending, model, usage),
    policy: spending.policy,
  });

  const relay =
    relayTo &&
    new Relay({
      options: relayTo,
      ...(deps.network && { network: deps.network.relay }),
      local: partBuffer,
      workerId: () => worker.id,
      isLocal: (workerId) => worker.is(workerId),
      readAddress: async (workerId) => await readRelayUrl(database, workerId),
      recheck: async (chatIds) => await streams.recheck(chatIds),
      logger: logger("relay"),
      ...common,
    });
  const streams: ChatStreams = new ChatStreams({
    database,
    episodes: relay?.episodes ?? partBuffer,
    checkpoints: checkpointPort,
    logger: logger("stream"),
    controlReadMs: config.controlReadMs,
    rules: backlogRules,
    ...common,
  });
  const watch = new ChatWatch({
    database,
    logger: logger("watch"),
    controlReadMs: config.controlReadMs,
    ...common,
  });
  const housekeeping = new Housekeeping({ database, logger: logger("housekeeping"), ...common });

  return {
    database,
    bus,
    fanOut,
    machine,
    partBuffer,
    relay,
    checkpoints,
    models,
    schemas,
    titles,
    mcp,
    reach,
    chatServers,
    metrics,
    worker,
    subAgents,
    streams,
    watch,
    housekeeping,
    files,
    backlogRules,
    clock,
  };
}

/** @throws ModelsConfigInvalid */
function compactionModel({ compactionModel: model }: Config, models: ModelPort): string | null {
  if (model === null || models.has(model)) return model;
  throw new ModelsConfigInvalid(
    `The compaction model "${model}" is of no provider that is configured here.`,
  );
}

/** @throws ModelsConfigInvalid */
function titleModel({ titleModel: model }: Config, models: ModelPort): string | null {
  if (model === null || model === "off" || models.has(model)) return model;
  throw new ModelsConfigInvalid(
    `The title model "${model}" is of no provider that is configured here.`,
  );
}

/** In the settings 0 is no limit. */
function runningLimits(config: Config): RunningLimits {
  const limit = (max: number): number | null => (max === 0 ? null : max);
  return {
    roots: limit(config.runningChatsMax),
    roots_per_owner: limit(config.runningChatsPerOwnerMax),
    sub_agents: limit(config.runningSubAgentsMax),
    sub_agents_per_owner: limit(config.runningSubAgentsPerOwnerMax),
  };
}

/** Nobody pays for agents that were not asked for: chats have them where the deployment says so. */
function subAgentToolsOf({ subAgents: wanted }: Config, service: SubAgentService): Tool[] {
  if (wanted === "off") return [];
  const offeredTo = (model: string): boolean => wanted === "all" || !model.startsWith("demo/");
  return subAgentTools(service, { offeredTo });
}

/** The secret that nobody has chosen is made by the first replica and kept where all of them find it. */
async function relayOptions(
  config: Config,
  database: Database,
  random: Random,
): Promise<RelayOptions> {
  const { relayTlsCa, relayTlsCert, relayTlsKey, relayTlsName } = config;
  const hasTls = relayTlsCa !== null && relayTlsCert !== null && relayTlsKey !== null;
  const [ca, cert, key] = hasTls
    ? await Promise.all([relayTlsCa, relayTlsCert, relayTlsKey].map(readPem))
    : [];
  const made = Buffer.from(random.bytes(relaySecretBytes)).toString("base64url");
  const secret =
    config.relaySecret ??
    (await database.write(async (tx) => await settingOrInsert(tx, "relay_secret", made), {
      operation: "relay.secret",
    }));
  return {
    host: config.relayHost,
    port: config.relayPort,
    advertisedUrl: config.relayUrl,
    secret,
    tls:
      ca !== undefined && cert !== undefined && key !== undefined
        ? { ca, cert, key, ...(relayTlsName !== null && { serverName: relayTlsName }) }
        : null,
  };
}

/** What links to files are signed with: made by the first replica, and kept where all of them find it. */
async function fileLinkSecret(database: Database, random: Random): Promise<string> {
  const made = Buffer.from(random.bytes(fileLinkSecretBytes)).toString("base64url");
  return await database.write(async (tx) => await settingOrInsert(tx, "file_link_secret", made), {
    operation: "files.link_secret",
  });
}

/** What secrets of chats are sealed with, where the deployment has chosen nothing. */
async function secretsKey(config: Config, database: Database, random: Random): Promise<string> {
  if (config.secretsKey !== null) return config.secretsKey;
  const made = Buffer.from(random.bytes(secretsKeyBytes)).toString("base64url");
  return await database.write(async (tx) => await settingOrInsert(tx, "secrets_key", made), {
    operation: "secrets.key",
  });
}

async function readPem(path: string): Promise<string> {
  return await readFile(path, "utf8");
}

function createBus(
  { single, natsUrl }: Config,
  database: Database,
  deps: Pick<EngineDeps, "clock" | "random" | "logger">,
): Bus {
  if (single) return new InProcessBus();
  const channel = natsUrl === null ? postgresNotifications(database) : natsChannel(natsUrl);
  return new ChannelBus({ replicaId: deps.random.uuid(), channel, ...deps });
}

function workerHealth({ capacity }: Config, worker: Worker): "held" | "lost" | "none" {
  if (capacity === 0) return "none";
  return worker.stats().alive ? "held" : "lost";
}
