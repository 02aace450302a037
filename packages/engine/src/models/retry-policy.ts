import type { ErrorKind } from "@parley/protocol";
import { backoffMs } from "../lib/backoff.ts";
import type { Random } from "../lib/random.ts";

export interface RetryLimits {
  baseMs: number;
  maxMs: number;
  /** Attempts at one step, the first included. */
  attemptsMax: number;
  /** How often a reply without any part is tried again. */
  emptyRetriesMax: number;
  /** Failed tries at one model before another stands in for it. */
  fallbackAttempts: number;
}

export const retryDefaults: RetryLimits = {
  baseMs: 1_000,
  maxMs: 60_000,
  attemptsMax: 25,
  emptyRetriesMax: 2,
  fallbackAttempts: 3,
};

export interface FailedAttempt {
  kind: ErrorKind;
  retryable: boolean;
  retry_after_ms?: number | undefined;
}

export type RetryDecision = { retry: true; delayMs: number } | { retry: false };

const retryableKinds: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  "overloaded",
  "rate_limit",
  "timeout",
  "stream_silence",
  "network",
  "server",
  "empty_response",
]);

export function isRetryableKind(kind: ErrorKind): boolean {
  return retryableKinds.has(kind);
}

/**
 * Whether a failed attempt is tried again, and after how long.
 *
 * @param attempt How many attempts this step has had, the failed one included (from 1): the row's
 *   `generation_attempt`, so that a crash does not start the count anew.
 */
export function decideRetry(
  attempt: number,
  failed: FailedAttempt,
  random: Pick<Random, "float">,
  limits: RetryLimits = retryDefaults,
): RetryDecision {
  if (!failed.retryable || attempt >= limits.attemptsMax) return { retry: false };
  if (failed.kind === "empty_response" && attempt > limits.emptyRetriesMax) return { retry: false };
  const delayMs = Math.max(backoffMs(attempt, limits, random), failed.retry_after_ms ?? 0);
  return { retry: true, delayMs: Math.round(delayMs) };
}
