import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { backlogMetrics, type BacklogCounts } from "./backlog-metrics.ts";
import { databaseMetrics, type DatabaseSource } from "./database-metrics.ts";
import { FigureCounts } from "./figure-counts.ts";
import { workerMetrics, type WorkerMetrics } from "./worker-metrics.ts";

export interface FinishedRequest {
  readonly method: string;
  /** The route's pattern, never the path: ids would make a series each. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

export interface MetricsOptions {
  readonly version: string;
  /** Event loop, memory, garbage collection, file handles. Off in tests: it keeps observers open. */
  readonly processMetrics: boolean;
}

/**
 * The metrics of one server, in Prometheus' form. The observers are also the door for traces: whoever wants spans
 * calls both.
 */
export interface Metrics {
  readonly worker: WorkerMetrics;
  /** What the figures of the operator's page are made of. */
  readonly figures: FigureCounts;
  requestEnded(request: FinishedRequest): void;
  /** Statements and transactions per operation, the pool, and what waits for it. */
  watchDatabase(source: DatabaseSource): void;
  /** A figure that is read when somebody asks: connections, feeds, subscriptions, live runners. */
  gauge(name: string, help: string, read: () => number): void;
  /** The chats of the whole deployment that work, and that wait; left out of the page where it cannot be read. */
  watchBacklog(read: () => Promise<BacklogCounts>): void;
  readonly contentType: string;
  text(): Promise<string>;
}

/** Seconds. Requests here take from one millisecond to ten seconds (`interrupt?wait=true`). */
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Every sample wakes the process, whatever it does: at the library's 10 ms that is most of what an idle replica costs. */
const loopSampleMs = 50;

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics) {
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopSampleMs });
  }

  new Gauge({
    name: "parley_build_info",
    help: "Always 1; the version is a label.",
    labelNames: ["version"],
    registers,
  }).set({ version: options.version }, 1);

  const requests = new Histogram({
    name: "parley_http_request_seconds",
    help: "Time from a request's arrival to the end of its answer. Streams are not in it.",
    labelNames: ["method", "route", "status"],
    buckets: requestBuckets,
    registers,
  });

  const figures = new FigureCounts();
  return {
    worker: workerMetrics(registry, figures),
    figures,
    requestEnded({ method, route, status, durationMs }) {
      if (status >= 500) figures.error("http");
      requests.observe({ method, route, status: String(status) }, durationMs / 1000);
    },
    watchDatabase: (source) => databaseMetrics(registry, source),
    gauge(name, help, read) {
      new Gauge({
        name: `parley_${name}`,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    watchBacklog: (read) => backlogMetrics(registry, read),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
