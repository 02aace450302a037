import { Counter, Gauge, Histogram, type Registry } from "prom-client";

interface OperationCounts {
  readonly reads: number;
  readonly writes: number;
  readonly singles: number;
  readonly rollbacks: number;
  readonly retries: number;
  readonly statements: number;
  readonly roundTrips: number;
}

/** What the database says of itself (postgres/stats.ts has this shape). */
export interface DatabaseSource {
  /** What each operation has cost since the start. */
  snapshot(): { readonly operations: Readonly<Record<string, OperationCounts>> };
  pool(): {
    readonly size: number;
    readonly used: number;
    readonly waiting: number;
    readonly upkeepWaiting: number;
  };
  /** Calls `fn` with every wait for a connection. */
  onWait(fn: (lane: "work" | "upkeep", ms: number) => void): void;
}

/** Seconds. Most wait for none; the last is where waiting is given up. */
const waitBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

function kindsOf(counts: OperationCounts): [kind: string, count: number][] {
  return [
    ["read", counts.reads],
    ["write", counts.writes],
    ["single", counts.singles],
    ["rollback", counts.rollbacks],
    ["retry", counts.retries],
  ];
}

/** The database counts for itself; the metrics only read its counts when somebody asks for them. */
export function databaseMetrics(registry: Registry, source: DatabaseSource): void {
  const registers = [registry];
  poolMetrics(registry, source);
  new Counter({
    name: "parley_database_transactions_total",
    help: "Transactions by operation: read, write (committed), single statement, rolled back, tried again.",
    labelNames: ["operation", "kind"],
    registers,
    collect() {
      this.reset();
      for (const [operation, counts] of Object.entries(source.snapshot().operations)) {
        // Most operations are of one kind: the others are left out.
        for (const [kind, count] of kindsOf(counts)) {
          if (count > 0) this.inc({ operation, kind }, count);
        }
      }
    },
  });
  new Counter({
    name: "parley_database_statements_total",
    help: "Statements by operation.",
    labelNames: ["operation"],
    registers,
    collect() {
      this.reset();
      for (const [operation, counts] of Object.entries(source.snapshot().operations)) {
        this.inc({ operation }, counts.statements);
      }
    },
  });
  new Counter({
    name: "parley_database_round_trips_total",
    help: "Waits for the database by operation; statements sent together wait once.",
    labelNames: ["operation"],
    registers,
    collect() {
      this.reset();
      for (const [operation, counts] of Object.entries(source.snapshot().operations)) {
        this.inc({ operation }, counts.roundTrips);
      }
    },
  });
}

function poolMetrics(registry: Registry, source: DatabaseSource): void {
  const registers = [registry];
  new Gauge({
    name: "parley_database_connections",
    help: "Connections of the pool: that it may have, and that are in use.",
    labelNames: ["state"],
    registers,
    collect() {
      const { size, used } = source.pool();
      this.set({ state: "max" }, size);
      this.set({ state: "used" }, used);
    },
  });
  new Gauge({
    name: "parley_database_waiting",
    help: "Transactions that wait for a connection, by lane.",
    labelNames: ["lane"],
    registers,
    collect() {
      const { waiting, upkeepWaiting } = source.pool();
      this.set({ lane: "work" }, waiting - upkeepWaiting);
      this.set({ lane: "upkeep" }, upkeepWaiting);
    },
  });
  const waits = new Histogram({
    name: "parley_database_wait_seconds",
    help: "Time that transactions waited for a connection, by lane.",
    labelNames: ["lane"],
    buckets: waitBuckets,
    registers,
  });
  source.onWait((lane, ms) => waits.observe({ lane }, ms / 1000));
}
