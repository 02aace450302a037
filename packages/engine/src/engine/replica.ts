import type { Config } from "../config.ts";
import type { Parts } from "../engine.ts";
import type { HttpServer } from "../http/server.ts";
import type { Logger } from "../lib/logger.ts";
import type { Database } from "../postgres/database.ts";
import { readBacklog } from "../store/backlog.ts";
import { withDeadline } from "../stream/deadline.ts";
import type { Worker } from "../worker/worker.ts";

/** How long streams that are told to reconnect are spread over, so that clients do not all come back at once. */
const closeSpreadMs = 2_000;

/** One replica, put together by `createEngine`: comes up in the order in which its parts need each other. */
export class Replica {
  readonly #config: Config;
  readonly #parts: Parts;
  readonly #http: HttpServer;
  readonly #logger: Logger;
  #url: string | null = null;
  #stopping: Promise<void> | undefined;

  constructor(config: Config, parts: Parts, http: HttpServer, logger: Logger) {
    this.#config = config;
    this.#parts = parts;
    this.#http = http;
    this.#logger = logger;
    const { fanOut, partBuffer, worker, subAgents, streams, watch, titles } = parts;
    fanOut.wire({ parts: partBuffer, worker, subAgents, streams, watch, titles, http });
    measure(parts);
  }

  /** Known after `start`: the port may have been 0. */
  get url(): string {
    if (this.#url === null) throw new Error("the replica has not been started");
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
    const { bus, relay, mcp, worker, checkpoints, streams, watch, housekeeping } = this.#parts;
    bus.start();
    checkpoints.start();
    // Before the worker registers, and with it the address.
    await relay?.listen();
    // Before it takes chats: a turn that goes on here should find the tools that it had elsewhere.
    if (this.#config.capacity > 0) {
      await mcp.start();
      await worker.start();
    }
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
    const parts = this.#parts;
    await this.#http.close();
    await Promise.all([parts.streams.stop(), parts.watch.stop(), parts.housekeeping.stop()]);
    await parts.worker.stop();
    await parts.titles.stop();
    await parts.mcp.stop();
    await parts.schemas.stop();
    await parts.relay?.stop();
    await parts.checkpoints.stop();
    parts.partBuffer.stop();
    await parts.bus.stop();
    await parts.database.close();
  }
}

/** Whoever collects metrics does not wait for a database that is away. */
const backlogReadMs = 2_000;

function measure(parts: Parts): void {
  const { metrics, database, worker, streams, relay, mcp, backlogRules } = parts;
  metrics.watchDatabase(database.stats);
  metrics.gauge("runners", "Chats that this server drives.", () => worker.stats().runners);
  metrics.gauge("feeds", "Chats with a live stream here.", () => streams.stats().feeds);
  metrics.gauge(
    "mcp_servers_down",
    "MCP servers of the deployment that cannot be used from here.",
    () => mcp.status().filter(({ problem }) => problem !== null).length,
  );
  metrics.gauge("subscribers", "Open streams of chats.", () => streams.stats().subscribers);
  metrics.watchBacklog(
    async () =>
      await withDeadline(
        readBacklog(database, backlogRules, { statementTimeoutMs: backlogReadMs }),
        parts.clock,
        backlogReadMs,
      ),
  );
  if (relay === null) return;
  metrics.gauge("relay_links", "Links to other servers.", () => relay.stats().open);
  metrics.gauge("relay_follows", "Replies followed over links.", () => relay.stats().follows);
}
