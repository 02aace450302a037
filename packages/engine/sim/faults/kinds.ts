/** At named places: see `aim.ts`. */
export const aimedKinds = [
  "aimed_cut",
  "aimed_error",
  "aimed_slow",
  "aimed_silence",
  "aimed_crash",
  "aimed_pause",
] as const;

export type AimedKind = (typeof aimedKinds)[number];

/** Everything that goes wrong, by name: what is counted, and what shrinking leaves out. */
export const faultKinds = [
  "crash",
  "crash_at_commit",
  "power_off",
  "pause",
  "long_pause",
  "pause_at_commit",
  "drain",
  "rolling_restart",
  "partition_database",
  "partition_replicas",
  "relay_drop",
  "client_drop",
  "client_partition",
  "lost_responses",
  "database_outage",
  "slow_network",
  "clock_skew",
  "clock_jump",
  "database_errors",
  "lost_answers",
  "slow_statements",
  "bus",
  "bus_dead",
  "crash_at_start",
  "listener_lost",
  "too_many_connections",
  ...aimedKinds,
] as const;

export type FaultKind = (typeof faultKinds)[number];
