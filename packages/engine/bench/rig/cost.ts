import { diff, type StatsSnapshot } from "../../src/postgres/stats.ts";

export interface Cost {
  statements: number;
  writes: number;
  reads: number;
  /** Those made for streams alone. */
  streamReads: number;
  roundTrips: number;
}

/** Costs the same for one chat and for thousands. */
const byTheClock =
  /^(worker\.(beat|lock|look|search|audit|sweep)|stream\.poll|http\.recheck_tokens|bus\.notify|checkpoints|connect|auth\.token)/;

/** What the replicas asked of the database between two moments, without what goes by the clock. */
export function costOf(before: readonly StatsSnapshot[], after: readonly StatsSnapshot[]): Cost {
  const sum: Cost = { statements: 0, writes: 0, reads: 0, streamReads: 0, roundTrips: 0 };
  for (const [i, earlier] of before.entries()) {
    const later = after[i];
    if (later === undefined) continue;
    for (const [name, counts] of Object.entries(diff(earlier, later).operations)) {
      if (byTheClock.test(name)) continue;
      const reads = counts.reads + counts.singles;
      sum.statements += counts.statements;
      sum.writes += counts.writes;
      sum.reads += reads;
      if (name.startsWith("stream.")) sum.streamReads += reads;
      sum.roundTrips += counts.roundTrips;
    }
  }
  return sum;
}
