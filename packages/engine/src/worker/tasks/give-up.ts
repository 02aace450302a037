import type { ChatError } from "@parley/protocol";
import { fail, type Next } from "./advance.ts";
import type { TaskContext } from "./context.ts";
import { failedReply, latestSaid } from "./partial.ts";
import { calledModel } from "./routing.ts";
import { readTranscript } from "./transcript.ts";

/** Ends the turn with an error, and keeps for people what was said last (`keep` false: nothing). */
export async function giveUp(
  ctx: TaskContext,
  error: ChatError,
  { keep = true }: { readonly keep?: boolean } = {},
): Promise<Next> {
  const said = keep ? await latestSaid(ctx) : null;
  return await ctx.commit("worker.fail", async (bundle) => {
    const transcript = said && (await readTranscript(bundle.tx, bundle.sketch));
    const partial =
      said && transcript
        ? failedReply(said, calledModel(bundle.sketch, transcript, said.key.generation_attempt))
        : [];
    return await fail(ctx, bundle, error, partial);
  });
}
