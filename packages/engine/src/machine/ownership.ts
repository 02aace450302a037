import { FenceLost, TransitionRejected } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import { slotLimitsOf } from "../domain/running-limits.ts";
import { isRunnable } from "../domain/state.ts";
import { acquireChat, takeOverChat } from "../store/ownership.ts";
import { hasRoom } from "../store/slots.ts";
import type { Bundle } from "./bundle.ts";
import { silenceMs } from "./transaction.ts";

/** Three beats: who has just come back does not take from others. */
const settledMs = 3000;

export interface Runner {
  readonly worker_id: string;
  readonly runner_id: string;
}

/**
 * Names the runner on a runnable chat that is unowned, or whose worker is dead by database time. Rejected where the
 * owner lives, where the taker itself is not alive, is draining or, to take from another, has not settled, or where the
 * chat would need a slot and there is none.
 */
export async function acquire(bundle: Bundle, runner: Runner): Promise<ChatRow> {
  await bundle.refreshState();
  const { sketch: chat, chatId, state } = bundle;
  if (!isRunnable(chat)) throw new TransitionRejected("acquire", state, "there is nothing to do");
  const { leaseMs: lease_ms, limits } = bundle.transaction.rules;
  const slot = slotLimitsOf(limits, chat);
  const { worker_id, runner_id } = runner;
  const row =
    chat.worker_id === null
      ? await acquireChat(
          bundle.atSnapshot(),
          chatId,
          worker_id,
          runner_id,
          lease_ms,
          silenceMs,
          slot,
        )
      : await takeOverChat(bundle.atSnapshot(), chatId, {
          ...runner,
          lease_ms,
          silence_ms: silenceMs,
          settled_ms: settledMs,
          slot,
        });
  if (row === undefined) {
    throw new TransitionRejected("acquire", state, "its owner lives, or the taker may not take it");
  }
  return bundle.adopt(row);
}

/**
 * Gives up ownership, if it is still the given runner's.
 *
 * @throws TransitionRejected when nobody owns the chat, FenceLost when another runner does.
 */
export async function abandon(bundle: Bundle, runner_id: string): Promise<void> {
  await bundle.refreshState();
  const { sketch } = bundle;
  if (sketch.runner_id === null) {
    throw new TransitionRejected("abandon", bundle.state, "nobody owns the chat");
  }
  if (sketch.runner_id !== runner_id) throw new FenceLost(bundle.chatId);
  bundle.plan({ worker_id: null, runner_id: null });
}

/**
 * Whether a chat that this bundle has made run anew, in the hands of its runner, may keep the slot that it has taken by
 * that. Asks nothing of the database where there are no limits.
 */
export async function mayKeepSlot(bundle: Bundle): Promise<boolean> {
  await bundle.refresh();
  const { leaseMs, limits } = bundle.transaction.rules;
  const slot = slotLimitsOf(limits, bundle.chat);
  if (slot.max === null && slot.owner_max === null) return true;
  return await hasRoom(bundle.tx, bundle.chat, slot, leaseMs, silenceMs);
}
