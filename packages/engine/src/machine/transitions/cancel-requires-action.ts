import { TransitionRejected } from "../../domain/errors.ts";
import { isPending } from "../../domain/next-step.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { settlePending } from "../../store/chats.ts";
import { readTrackedCalls } from "../../store/executions.ts";
import { closeCalls } from "../close-open-calls.ts";
import { transition } from "../transition.ts";

/**
 * Closes the calls and approvals whose deadline has passed, by database time; none of them is ever run. The chat runs
 * again when nothing is pending any more. Gives the message that answers them.
 */
export const cancelRequiresAction = transition<void, MessageRow>(
  "cancelRequiresAction",
  async (bundle) => {
    const { tx, chatId, state } = bundle;
    const calls = await readTrackedCalls(tx, chatId);
    const expired = calls.filter((call) => call.expired && isPending(call));
    const row = await closeCalls(bundle, expired, "expired");
    if (row === null) {
      throw new TransitionRejected("cancelRequiresAction", state, "no deadline has passed");
    }
    bundle.adopt(await settlePending(bundle.atSnapshot(), chatId));
    return row;
  },
);
