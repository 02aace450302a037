import { closingMessage } from "../../domain/closing.ts";
import type { NewMessage } from "../../domain/rows.ts";
import { abandon } from "../../machine/ownership.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { finishInterruption } from "../../machine/transitions/finish-interruption.ts";
import { readTrackedCalls } from "../../store/executions.ts";
import { episodeOf } from "../ports.ts";
import type { Said } from "../runner/memory.ts";
import type { TaskContext } from "./context.ts";
import { mayBeginNext } from "./may-go-on.ts";
import { episodeName, interruptedReply, latestSaid } from "./partial.ts";
import { settleCalls } from "../../machine/close-open-calls.ts";
import { chargedUsage } from "./spending.ts";
import { calledModel } from "./routing.ts";
import { readTranscript } from "./transcript.ts";

/**
 * Ends what a user has stopped: closes the episode, so that a late writer stops too; commits what was said, with a
 * result for every open call; and gives the chat up, unless a queued message follows and may begin here at once.
 */
export async function interruption(ctx: TaskContext): Promise<void> {
  if (ctx.row.generation_attempt > 0) ctx.parts.close(episodeOf(ctx.row));
  const said = await latestSaid(ctx);
  await ctx.commit("worker.interrupt", async (bundle) => {
    await finishInterruption(bundle, { partial: await partialOf(ctx, bundle, said) });
    await bundle.refreshState();
    const goesOn = bundle.state.startsWith("R") && (await mayBeginNext(ctx, bundle));
    if (!goesOn) await abandon(bundle, ctx.runnerId);
  });
  ctx.memory.forget();
  ctx.observer.turnEnded(ctx.row, "interrupted", null);
}

/** A batch of tools leaves results, from the ledger; a model call leaves what it had said. */
async function partialOf(
  ctx: TaskContext,
  bundle: Bundle,
  said: Said | null,
): Promise<NewMessage[]> {
  const calls = await readTrackedCalls(bundle.tx, bundle.chatId);
  const results = closingMessage(calls, "interrupted");
  if (results !== null) {
    await settleCalls(bundle, calls, "interrupted");
    const stopped = { ...results, finish_reason: "interrupted" } as const;
    return [said ? { ...stopped, episode: episodeName(said.key) } : stopped];
  }
  if (said === null) return [];
  const transcript = await readTranscript(bundle.tx, bundle.sketch);
  const model = calledModel(bundle.sketch, transcript, said.key.generation_attempt);
  const [reply, ...closed] = interruptedReply(said, model);
  if (reply === undefined) return [];
  // The provider was going to say at the end what it has counted; it was paid for until here.
  const usage = chargedUsage(ctx, transcript, model, null, said.parts);
  return [{ ...reply, usage }, ...closed];
}
