import { Counter, type Registry } from "prom-client";

interface OperationCounts {
  readonly reads: number;
  readonly writes: number;
  readonly singles: number;
  readonly rollbacks: number;
  readonly retries: number;
  readonly statements: number;
  readonly roundTrips: number;
}

/** What each operation has cost since the start (postgres/stats.ts has this shape). */
export interface DatabaseCounts {
  readonly operations: Readonly<Record<string, OperationCounts>>;
}

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
