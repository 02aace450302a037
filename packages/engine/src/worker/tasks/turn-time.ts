import type { ChatError } from "@parley/protocol";
import type { ChatRow } from "../../domain/rows.ts";
import { linked } from "../../lib/abort.ts";
import type { TaskContext, TaskLimits } from "./context.ts";

/** How much of its time a turn has left at a time of the database's clock; Infinity where nothing bounds it. */
export function timeLeftMs(
  { turnMs }: Pick<TaskLimits, "turnMs">,
  row: Pick<ChatRow, "running_since"> | null,
  now: Date,
): number {
  const since = row?.running_since ?? null;
  if (turnMs === null || since === null) return Number.POSITIVE_INFINITY;
  return turnMs - (now.getTime() - since.getTime());
}

export function timeLimitReached({ turnMs }: Pick<TaskLimits, "turnMs">): ChatError {
  const seconds = Math.round((turnMs ?? 0) / 1_000);
  return {
    kind: "time_limit",
    message: `The turn has run for ${seconds} s without coming to an end. Retry it or send a message to go on.`,
    retryable: true,
  };
}

/** The turn's time ran out in the middle of a call. */
export class TimeIsUp extends Error {
  override readonly name = "TimeIsUp";
}

/**
 * Makes a call that is cut where the turn's time ends.
 *
 * @throws TimeIsUp, or what `run` throws.
 */
export async function withinTurn<T>(
  { row, limits, clock, signal }: Pick<TaskContext, "row" | "limits" | "clock" | "signal">,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const leftMs = timeLeftMs(limits, row, row.updated_at);
  if (leftMs === Number.POSITIVE_INFINITY) return await run(signal);
  using abort = linked(signal);
  let isUp = false;
  const timer = clock.timer(leftMs, "turn time", () => {
    isUp = true;
    abort.abort(new TimeIsUp());
  });
  try {
    return await run(abort.signal);
  } catch (error) {
    throw isUp && !signal.aborted ? new TimeIsUp() : error;
  } finally {
    timer.cancel();
  }
}
