import type { Bus } from "./bus/bus.ts";
import { ChannelBus } from "./bus/channel-bus.ts";
import { InProcessBus } from "./bus/in-process-bus.ts";
import { natsChannel } from "./bus/nats-channel.ts";
import { modelSettings, type Config } from "./config.ts";
import type { ChatHint, Commit } from "./domain/commit.ts";
import { isRunnable } from "./domain/state.ts";
import { Housekeeping } from "./housekeeping.ts";
import { createHttpServer, type HttpServer } from "./http/server.ts";
import type { Clock } from "./lib/clock.ts";
import type { Logger } from "./lib/logger.ts";
import type { Random } from "./lib/random.ts";
import { livenessDefaults } from "./worker/liveness/options.ts";
import { Machine } from "./machine/machine.ts";
import type { Publisher } from "./machine/ports.ts";
import type { ModelPort } from "./models/model-port.ts";
import { createModels } from "./models/registry.ts";
import { retryDefaults } from "./models/retry-policy.ts";
import { CheckpointLoop } from "./parts/checkpoint-loop.ts";
import { PartBuffer } from "./parts/part-buffer.ts";
import { createDatabase, type Database } from "./postgres/database.ts";
import type { ConnectionSettings } from "./postgres/settings.ts";
import { createCheckpoints } from "./store/checkpoints.ts";
import { postgresNotifications } from "./store/notifications.ts";
import { ChatStreams } from "./stream/streams.ts";
import { ChatWatch } from "./stream/watch.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { demoTools } from "./tools/demo-tools.ts";
import { ToolRegistry } from "./tools/registry.ts";
import type { Tool } from "./tools/tool.ts";
import { createWorker, type Worker } from "./worker/worker.ts";

export interface EngineDeps {
  readonly connection: ConnectionSettings;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly version: string;
  /** The embedding application's own tools. */
  readonly tools?: readonly Tool[];
  /** Instead of the providers that the configuration names: for tests and the simulator. */
  readonly models?: ModelPort;
}

/** How long streams that are told to reconnect are spread over, so that clients do not all come back at once. */
const closeSpreadMs = 2_000;

/**
 * One replica: API, worker and streams over one database. This is the one place where the parts are put together;
 * `start` brings them up in the order in which they need each other, `stop` takes them down in reverse.
 */
export async function createEngine(config: Config, deps: EngineDeps): Promise<Engine> {
  const parts = assemble(config, deps);
  const http = await createHttpServer({
    machine: parts.machine,
    database: parts.database,
    streams: parts.streams,
    watch: parts.watch,
    models: parts.models,
    health: { worker: () => workerHealth(config, parts.worker) },
    clock: deps.clock,
    random: deps.random,
    logger: deps.logger.child({ part: "http" }),
    metrics: parts.metrics,
    observer: parts.metrics,
    version: deps.version,
    limits: {
      messageBodyBytesMax: config.messageBodyBytesMax,
      queueMessagesMax: config.queueMessagesMax,
      frameEventsMax: config.frameEventsMax,
      clientFrameBytesMax: config.clientFrameBytesMax,
      systemPromptBytesMax: config.systemPromptBytesMax,
      clientToolsMax: config.clientToolsMax,
      labelsMax: config.labelsMax,
      pageMessagesMax: config.pageMessagesMax,
    },
    publicHosts: config.baseUrl === null ? [] : [new URL(config.baseUrl).host],
  });
  return new Engine(config, parts, http, deps);
}

type Parts = ReturnType<typeof assemble>;

function assemble(config: Config, deps: EngineDeps) {
  const { clock, random, version } = deps;
  const logger = (part: string): Logger => deps.logger.child({ part });
  const common = { clock, random };

  const database = createDatabase({
    ...deps.connection,
    poolSize: config.poolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    lockTimeoutMs: config.lockTimeoutMs,
    logger: logger("database"),
    ...common,
  });
  const bus = createBus(config, database, { ...common, logger: logger("bus") });
  const fanOut = new FanOut(bus);
  const machine = new Machine({
    database,
    publisher: fanOut,
    acquirer: null,
    leaseMs: livenessDefaults.leaseMs,
  });

  const partBuffer = new PartBuffer({ clock, logger: logger("parts") });
  const checkpointPort = createCheckpoints(database);
  const checkpoints = new CheckpointLoop({
    parts: partBuffer,
    port: checkpointPort,
    clock,
    logger: logger("checkpoints"),
  });

  const models = deps.models ?? createModels(modelSettings(config), common);
  const tools = new ToolRegistry();
  for (const tool of [...demoTools(common), ...(deps.tools ?? [])]) tools.register(tool);

  const metrics = createMetrics({ version, processMetrics: true });
  const worker = createWorker({
    machine,
    database,
    parts: partBuffer,
    checkpoints: {
      flush: async () => await checkpoints.flush(),
      flushEpisode: async (key) => await checkpoints.flushEpisode(key),
      read: async (chatId, historyVersion) => await checkpointPort.read(chatId, historyVersion),
    },
    models,
    tools,
    logger: logger("worker"),
    observer: metrics.worker,
    options: {
      version,
      capacity: config.capacity,
      stepsMax: config.turnStepsMax,
      retry: { ...retryDefaults, attemptsMax: config.modelAttemptsMax },
    },
    ...common,
  });

  const streams = new ChatStreams({
    database,
    episodes: partBuffer,
    checkpoints: checkpointPort,
    logger: logger("stream"),
    controlReadMs: config.controlReadMs,
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
    checkpoints,
    models,
    tools,
    metrics,
    worker,
    streams,
    watch,
    housekeeping,
  };
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

export class Engine {
  readonly #config: Config;
  readonly #parts: Parts;
  readonly #http: HttpServer;
  readonly #logger: Logger;
  #url: string | null = null;
  #stopping: Promise<void> | undefined;

  constructor(config: Config, parts: Parts, http: HttpServer, deps: EngineDeps) {
    this.#config = config;
    this.#parts = parts;
    this.#http = http;
    this.#logger = deps.logger;
    const { worker, streams, watch, metrics, database } = parts;
    parts.fanOut.wire({ worker, streams, watch, http });
    measure(metrics, database, worker, streams);
  }

  /** Known after `start`: the port may have been 0. */
  get url(): string {
    if (this.#url === null) throw new Error("the engine has not been started");
    return this.#url;
  }

  get defaultModel(): string {
    return this.#parts.models.defaultModel();
  }

  /** The database's own handle, with its counters: for whoever embeds the engine, and for tests. */
  get database(): Database {
    return this.#parts.database;
  }

  get worker(): Worker {
    return this.#parts.worker;
  }

  /** Listens last: whoever gets an answer finds everything running. */
  async start(): Promise<void> {
    const { bus, worker, checkpoints, streams, watch, housekeeping } = this.#parts;
    bus.start();
    checkpoints.start();
    if (this.#config.capacity > 0) await worker.start();
    streams.start();
    watch.start();
    housekeeping.start();
    const { url } = await this.#http.listen(this.#config.host, this.#config.port);
    this.#url = url;
    this.#logger.info({ url, model: this.defaultModel }, "parley listens");
  }

  /** Ends at step boundaries within the grace, hands over the rest, and asks clients to reconnect. */
  async drain(): Promise<void> {
    const { worker, streams, watch } = this.#parts;
    this.#http.drain();
    if (this.#config.capacity > 0) await worker.drain(this.#config.drainGraceMs);
    await Promise.all([
      streams.closeAll("reconnect", closeSpreadMs),
      watch.closeAll("reconnect", closeSpreadMs),
    ]);
  }

  /** Stops at once; drain first. Safe to call more than once. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  async #stop(): Promise<void> {
    const { bus, worker, checkpoints, partBuffer, streams, watch, housekeeping, database } =
      this.#parts;
    await this.#http.close();
    await Promise.all([streams.stop(), watch.stop(), housekeeping.stop()]);
    await worker.stop();
    await checkpoints.stop();
    partBuffer.stop();
    await bus.stop();
    await database.close();
  }
}

interface Listeners {
  readonly worker: Pick<Worker, "onCommits" | "onHint" | "perhaps" | "resync">;
  readonly streams: Pick<ChatStreams, "committed" | "perhaps" | "hint" | "lookAtAll">;
  readonly watch: Pick<ChatWatch, "committed" | "hint" | "lookAtAll">;
  readonly http: Pick<HttpServer, "onCommits" | "onHint">;
}

/** What was committed goes to this replica's runners, feeds and waiting requests in memory, and as hints to the others. */
class FanOut implements Publisher {
  readonly #bus: Bus;
  #listeners: Listeners | null = null;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Once, when everything is there: the machine is made before those who listen to it. */
  wire(listeners: Listeners): void {
    this.#listeners = listeners;
    const { worker, streams, watch, http } = listeners;
    this.#bus.subscribe({
      hint(hint) {
        streams.hint(hint);
        worker.onHint(hint);
        watch.hint(hint);
        http.onHint(hint);
      },
      resync() {
        streams.lookAtAll();
        worker.resync();
        watch.lookAtAll();
      },
    });
  }

  published(commits: readonly Commit[]): void {
    const { worker, streams, watch, http } = this.#listeners ?? {};
    // Feeds first: they say that a turn begins before its first part comes.
    streams?.committed(commits);
    worker?.onCommits(commits);
    watch?.committed(commits);
    http?.onCommits(commits);
    for (const commit of commits) this.#bus.publish(hintOf(commit));
  }

  perhaps(chatId: string): void {
    this.#listeners?.streams.perhaps(chatId);
    this.#listeners?.worker.perhaps(chatId);
  }
}

function hintOf({ chat, deleted }: Commit): ChatHint {
  return {
    chat_id: chat.id,
    // A deleted chat has no row: one more than its last snapshot makes everybody look.
    snapshot_version: deleted ? chat.snapshot_version + 1 : chat.snapshot_version,
    metadata_version: chat.metadata_version,
    unowned: !deleted && chat.worker_id === null && isRunnable(chat),
  };
}

function workerHealth({ capacity }: Config, worker: Worker): "held" | "lost" | "none" {
  if (capacity === 0) return "none";
  return worker.stats().alive ? "held" : "lost";
}

function measure(metrics: Metrics, database: Database, worker: Worker, streams: ChatStreams): void {
  metrics.watchDatabase(() => database.stats.snapshot());
  metrics.gauge("runners", "Chats that this server drives.", () => worker.stats().runners);
  metrics.gauge("feeds", "Chats with a live stream here.", () => streams.stats().feeds);
  metrics.gauge("subscribers", "Open streams of chats.", () => streams.stats().subscribers);
}
