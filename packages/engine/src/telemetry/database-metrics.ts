import { Counter, type Registry } from "prom-client";

/** What one operation has cost since the start (postgres/stats.ts has this shape). */
export interface DatabaseCounts {
  readonly operations: Readonly<
    Record<
      string,
      {
        readonly reads: number;
        readonly writes: number;
        readonly singles: number;
        readonly rollbacks: number;
        readonly retries: number;
        readonly statements: number;
        readonly roundTrips: number;
      }
    >
  >;
}

/** The database counts for itself; the metrics only read its counts when somebody asks for them. */
export function databaseMetrics(registry: Registry, snapshot: () => DatabaseCounts): void {
  const registers = [registry];
  new Counter({
    name: "parley_database_transactions_total",
    help: "Transactions by operation: read, write (committed), single statement, rolled back, tried again.",
    labelNames: ["operation", "kind"],
    registers,
    collect() {
      this.reset();
      for (const [operation, counts] of Object.entries(snapshot().operations)) {
        this.inc({ operation, kind: "read" }, counts.reads);
        this.inc({ operation, kind: "write" }, counts.writes);
        this.inc({ operation, kind: "single" }, counts.singles);
        this.inc({ operation, kind: "rollback" }, counts.rollbacks);
        this.inc({ operation, kind: "retry" }, counts.retries);
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
      for (const [operation, counts] of Object.entries(snapshot().operations)) {
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
      for (const [operation, counts] of Object.entries(snapshot().operations)) {
        this.inc({ operation }, counts.roundTrips);
      }
    },
  });
}
