import type { Lane } from "./gate.ts";

/** What one operation (or all of them) cost. */
export interface Counts {
  /** Transactions by `Database.read`. */
  reads: number;
  /** Committed transactions by `Database.write`. */
  writes: number;
  /** Single statements by `Database.one`. */
  singles: number;
  /** Transactions rolled back, by either. */
  rollbacks: number;
  /** Transactions tried again after a deadlock or a serialization failure. */
  retries: number;
  /** Statements, not counting BEGIN, SET and the end of a transaction. */
  statements: number;
  /** Times that something waited for the server; statements sent together wait once. */
  roundTrips: number;
}

export interface StatsSnapshot {
  total: Counts;
  /** By label; only operations that did something. */
  operations: Record<string, Counts>;
}

const zero: Counts = {
  reads: 0,
  writes: 0,
  singles: 0,
  rollbacks: 0,
  retries: 0,
  statements: 0,
  roundTrips: 0,
};

/** The connections of a pool, now. */
export interface PoolUse {
  readonly size: number;
  readonly used: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
  /** Those of them that are upkeep (`gate.ts`). */
  readonly upkeepWaiting: number;
}

/** Counts since the start; tests and benchmarks take the difference of two snapshots. */
export class Stats {
  readonly #operations = new Map<string, Counts>();
  /** Replaced by a database that has a pool. */
  pool: () => PoolUse = () => ({ size: 0, used: 0, waiting: 0, upkeepWaiting: 0 });
  readonly #waitListeners: ((lane: Lane, ms: number) => void)[] = [];

  add(operation: string, key: keyof Counts): void {
    let counts = this.#operations.get(operation);
    if (!counts) this.#operations.set(operation, (counts = { ...zero }));
    counts[key] += 1;
  }

  /** Calls `fn` with every wait for a connection of the pool, those of no time included. */
  onWait(fn: (lane: Lane, ms: number) => void): void {
    this.#waitListeners.push(fn);
  }

  waited(lane: Lane, ms: number): void {
    for (const listener of this.#waitListeners) listener(lane, ms);
  }

  /** Statements of all operations, without the copies that a snapshot makes. */
  statements(): number {
    let statements = 0;
    for (const counts of this.#operations.values()) statements += counts.statements;
    return statements;
  }

  snapshot(): StatsSnapshot {
    const operations: Record<string, Counts> = {};
    const total = { ...zero };
    for (const [name, counts] of this.#operations) {
      operations[name] = { ...counts };
      for (const key of countKeys) total[key] += counts[key];
    }
    return { total, operations };
  }

  /** What happened since the snapshot was taken. */
  since(before: StatsSnapshot): StatsSnapshot {
    return diff(before, this.snapshot());
  }
}

const countKeys = Object.keys(zero) as (keyof Counts)[];

/** `after` less `before`, without the operations that did nothing in between. */
export function diff(before: StatsSnapshot, after: StatsSnapshot): StatsSnapshot {
  const operations: Record<string, Counts> = {};
  for (const [name, counts] of Object.entries(after.operations)) {
    const less = subtract(counts, before.operations[name] ?? zero);
    if (countKeys.some((key) => less[key] !== 0)) operations[name] = less;
  }
  return { total: subtract(after.total, before.total), operations };
}

function subtract(a: Counts, b: Counts): Counts {
  const out = { ...a };
  for (const key of countKeys) out[key] -= b[key];
  return out;
}
