import { TransitionRejected } from "../../domain/errors.ts";
import { abandon } from "../../machine/ownership.ts";
import { cancelRequiresAction } from "../../machine/transitions/cancel-requires-action.ts";
import { onAbort } from "../../lib/abort.ts";
import { Cancelled, type TaskContext } from "./context.ts";
import { mayResume } from "./may-go-on.ts";
import { untilDatabaseTime } from "./database-time.ts";

/** Waits for the next deadline by database time, then closes what has expired; again while anything waits. */
export async function deadline(ctx: TaskContext): Promise<void> {
  while (ctx.row.status === "requires_action") {
    const due = ctx.row.requires_action_deadline_at;
    // Without a deadline only an event from outside goes on: the task that it calls for replaces this one.
    if (due === null) {
      await new Promise<void>((resolve) => onAbort(ctx.signal, () => resolve()));
      throw new Cancelled("cancelled");
    }
    await untilDatabaseTime(ctx, due, "runner.deadline");
    try {
      await ctx.commit("worker.deadline", async (bundle) => {
        await cancelRequiresAction(bundle);
        await bundle.refreshState();
        if (bundle.state.startsWith("R") && !mayResume(ctx)) await abandon(bundle, ctx.runnerId);
      });
    } catch (error) {
      // The database's clock went back between the look and the lock.
      if (!(error instanceof TransitionRejected)) throw error;
    }
  }
}
