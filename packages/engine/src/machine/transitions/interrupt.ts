import { lockBusyDescendants } from "../../store/family.ts";
import type { Bundle } from "../bundle.ts";
import type { Transaction } from "../transaction.ts";
import { transition } from "../transition.ts";

export interface Interrupt {
  /** Keep the queue back: the chat is paused when it has stopped. */
  readonly hold: boolean;
}

const variantOf = ({ hold }: Interrupt): string | undefined => (hold ? "hold" : undefined);

async function begin(bundle: Bundle, { hold }: Interrupt): Promise<void> {
  await bundle.set({ status: "interrupting", hold, requires_action_deadline_at: null });
}

/**
 * Stop: no model call follows, in this chat and in those below it. What was said is kept by `finishInterruption`, which
 * also closes the open calls.
 */
export const interrupt = transition<Interrupt, void>(
  "interrupt",
  async (bundle, input) => {
    // Sent together: one round trip where nothing runs below.
    await Promise.all([
      begin(bundle, input),
      interruptDescendants(bundle.transaction, bundle.chatId),
    ]);
  },
  { variantOf },
);

const interruptOne = transition<Interrupt, void>("interrupt", begin, { variantOf });

/**
 * Stops whatever runs below a chat, and keeps back what is queued there, in the transaction that holds the chat's lock:
 * a stop that was committed has reached everybody.
 */
export async function interruptDescendants(
  transaction: Transaction,
  chatId: string,
): Promise<void> {
  for (;;) {
    // Again after each round: who was locked last may have started one more while it was waited for.
    const busy = await lockBusyDescendants(transaction.tx, chatId);
    if (busy.length === 0) return;
    for (const { id } of busy) {
      await transaction.update(id, (one) => interruptOne(one, { hold: true }), { acquire: true });
    }
  }
}
