import type { Clock } from "../lib/clock.ts";
import { ParleyError } from "../lib/errors.ts";

/** The database did not answer in time; it may still. */
export class ReadTimedOut extends ParleyError {
  constructor(ms: number) {
    super("database_unavailable", `The database did not answer within ${ms} ms.`);
  }
}

/** The promise's outcome, or a throw after `ms`. What comes later is ignored. */
export async function withDeadline<T>(
  promise: Promise<T>,
  clock: Pick<Clock, "timer">,
  ms: number,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = clock.timer(ms, "stream.deadline", () => reject(new ReadTimedOut(ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.cancel();
  }
}
