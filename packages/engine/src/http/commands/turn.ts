import type { ChatAnswer } from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { reconcileInvalidState } from "../../machine/transitions/reconcile-invalid-state.ts";
import { requestCompaction } from "../../machine/transitions/request-compaction.ts";
import { retryTurn } from "../../machine/transitions/retry-turn.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { requestKey, update, type Answer } from "./once.ts";

/** Runs a failed turn again. */
export const retryCommand = command("retry", async (bundle) => await retryTurn(bundle));

/** Asks for the context to be summarised; the transcript stays. */
export const compactCommand = command("compact", async (bundle) => await requestCompaction(bundle));

/** Brings a chat out of a state that no transition makes. */
export const reconcileCommand = command(
  "reconcile",
  async (bundle) => void (await reconcileInvalidState(bundle)),
);

type ChatCommand = (
  context: HttpContext,
  caller: Caller,
  chatId: string,
  headerKey: string | undefined,
) => Promise<Answer<ChatAnswer>>;

/** A transition that needs to be told nothing. */
function command(name: string, apply: (bundle: Bundle) => Promise<void>): ChatCommand {
  return async (context, caller, chatId, headerKey) => {
    const id = await context.access.require(caller, chatId);
    const key = requestKey(caller, id, headerKey, [name, id]);
    return await update(context.machine, id, key, `http.${name}`, async (bundle) => {
      await apply(bundle);
      await bundle.refresh();
      return { status: 200, body: { chat: chatOf(bundle.chat) } };
    });
  };
}
