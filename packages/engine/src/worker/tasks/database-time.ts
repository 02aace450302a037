import { readDelayUntil } from "../../store/workers.ts";
import { throwIfCancelled, type TaskContext } from "./context.ts";

/** The database's clock may be moved, and a timer is only an estimate of it: it is asked again at least this often. */
const sleepMsMax = 60_000;

/** What is asked again a little too early would be asked in a tight loop. */
const sleepMsMin = 5;

/** Waits until the database's clock has reached `time`. @throws Cancelled */
export async function untilDatabaseTime(
  ctx: Pick<TaskContext, "database" | "clock" | "signal">,
  time: Date,
  label: string,
): Promise<void> {
  for (;;) {
    throwIfCancelled(ctx.signal);
    const delayMs = await readDelayUntil(ctx.database, time);
    throwIfCancelled(ctx.signal);
    if (delayMs <= 0) return;
    const ms = Math.min(sleepMsMax, Math.max(sleepMsMin, Math.ceil(delayMs)));
    await ctx.clock.sleep(ms, label, ctx.signal);
  }
}
