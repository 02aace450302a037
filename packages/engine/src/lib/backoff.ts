import type { Random } from "./random.ts";

export interface BackoffOptions {
  /** The most that the first attempt waits. */
  baseMs: number;
  /** No attempt waits longer. */
  maxMs: number;
}

/** Doubling, capped, without jitter: what attempt `attempt` (from 1) waits at most. */
export function backoffCeilingMs(attempt: number, { baseMs, maxMs }: BackoffOptions): number {
  return Math.min(maxMs, baseMs * 2 ** Math.max(0, attempt - 1));
}

/** Full jitter: uniform between 0 and the ceiling, so that replicas that failed together do not return together. */
export function backoffMs(
  attempt: number,
  options: BackoffOptions,
  random: Pick<Random, "float">,
): number {
  return random.float() * backoffCeilingMs(attempt, options);
}
