import type { Bundle } from "../../machine/bundle.ts";
import { mayKeepSlot } from "../../machine/ownership.ts";
import type { TaskContext } from "./context.ts";

/**
 * Whether the runner that has just stopped a turn may drive the next one. Any worker stops any chat, at once; what
 * follows takes its turn like every other chat that runs anew, or stopping would be a way past the queue.
 */
export async function mayBeginNext(ctx: TaskContext, bundle: Bundle): Promise<boolean> {
  return mayResume(ctx) && ctx.hasCapacity() && (await mayKeepSlot(bundle));
}

/** Whether the runner of a chat that had waited may go on with it: it needs no leave, but the means. */
export function mayResume(ctx: TaskContext): boolean {
  return ctx.models.has(ctx.row.model);
}
