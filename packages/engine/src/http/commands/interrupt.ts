import type { Interrupt, InterruptAnswer } from "@parley/protocol";
import { chatOf, messageOf } from "../../domain/representation.ts";
import type { ChatRow, MessageRow } from "../../domain/rows.ts";
import { stateOf } from "../../domain/state.ts";
import { interrupt, interruptDescendants } from "../../machine/transitions/interrupt.ts";
import type { WriteTx } from "../../postgres/sql.ts";
import { readLastPartial } from "../../store/outcomes.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { decide, requestKey, type Answer } from "./once.ts";
import { waitForPartial } from "./wait-for-partial.ts";

/**
 * Stops the running turn. A chat that is idle, or stops already, or runs another turn than the one meant is answered
 * with its current state.
 *
 * @param wait answer when what was said is committed, with it; 202 where that takes longer than `interruptWaitMs`.
 */
export async function interruptCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  body: Interrupt & { readonly wait: boolean },
  headerKey: string | undefined,
  signal: AbortSignal,
): Promise<Answer<InterruptAnswer>> {
  const id = await context.access.require(caller, chatId);
  const { wait, ...request } = body;
  const key = requestKey(caller, id, headerKey, ["interrupt", id, request]);
  // Before the commit: a partial that is committed at once must not be missed.
  const following = context.signals.follow(id);
  try {
    const answer = await decide<InterruptAnswer>(
      context.machine,
      id,
      key,
      "http.interrupt",
      async (chat, transaction) => {
        const meant = isMeant(chat, request);
        // A chat that has come to its end may have left sub-agents at work.
        if (!meant && request.turn === undefined) await interruptDescendants(transaction, id);
        const row = meant
          ? await transaction.update(
              id,
              async (bundle) => {
                await interrupt(bundle, { hold: request.hold ?? false });
                await bundle.refresh();
                return bundle.chat;
              },
              { acquire: true },
            )
          : chat;
        const message = row === chat ? await partialOf(transaction.tx, chat, request) : undefined;
        return {
          status: 200,
          body: { chat: chatOf(row), message: message ? messageOf(message) : null },
        };
      },
    );
    // Also a repeat waits: what it is answered with is the state that the first one left.
    const { chat } = answer.body;
    if (!wait || chat.status !== "interrupting") return answer;
    return await waitForPartial(context, chat, following.wake, signal);
  } finally {
    following.stop();
  }
}

/** Whether there is anything to stop, or a stop that is to hold the queue too. */
function isMeant(chat: ChatRow, { turn, hold }: Interrupt): boolean {
  const state = stateOf(chat);
  if (state === "Invalid") return true; // for the machine to refuse
  if (turn !== undefined && turn !== chat.turn_message_id) return false;
  if (state.startsWith("I")) return hold === true && !chat.hold;
  return state.startsWith("R") || state.startsWith("A");
}

/** What was kept of the turn that is meant, where it is over and the chat's last. */
async function partialOf(
  tx: WriteTx,
  chat: ChatRow,
  { turn }: Interrupt,
): Promise<MessageRow | undefined> {
  const over = chat.status === "waiting" || chat.status === "error";
  const last = chat.turn_message_id;
  if (!over || last === null || (turn !== undefined && turn !== last)) return undefined;
  return await readLastPartial(tx, chat.id, last);
}
