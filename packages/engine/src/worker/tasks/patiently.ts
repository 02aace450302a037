import { backoffMs } from "../../lib/backoff.ts";
import { isTransient } from "../../postgres/errors.ts";
import { throwIfCancelled, type TaskContext } from "./context.ts";

/** A database that restarts is back within a second or two; one that fails over, within a minute. */
const backoff = { baseMs: 50, maxMs: 2_000 };

/**
 * Tries again while the database has faults that pass. For what is safe to repeat: a bundle is, because its fence fails
 * where the lost commit had happened after all and moved history.
 *
 * @throws Cancelled, or what `work` throws that does not pass.
 */
export async function patiently<T>(
  ctx: Pick<TaskContext, "clock" | "random" | "signal" | "observer" | "chatId">,
  label: string,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled(ctx.signal);
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error)) throw error;
      ctx.observer.taskFailed(ctx.chatId, label, error);
      await ctx.clock.sleep(backoffMs(attempt, backoff, ctx.random), "runner.database", ctx.signal);
    }
  }
}
