import { FenceLost, TransitionRejected } from "../../domain/errors.ts";
import { abandon } from "../../machine/ownership.ts";
import type { TaskContext } from "./context.ts";

/**
 * Gives up a chat in which there is nothing to do, or that others shall drive. Ownership is all that it needs to still
 * have: in whatever state the chat is by then, another worker goes on with it.
 */
export async function abandonChat(ctx: TaskContext): Promise<void> {
  await ctx.commit(
    "worker.abandon",
    async (bundle) => {
      try {
        await abandon(bundle, ctx.runnerId);
      } catch (error) {
        // Nobody owns it: as good as another owner.
        throw error instanceof TransitionRejected ? new FenceLost(ctx.chatId) : error;
      }
    },
    { fenced: false },
  );
}
