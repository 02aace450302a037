import { FenceLost, TransitionRejected } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import { isRunnable } from "../domain/state.ts";
import { acquireChat, takeOverChat } from "../store/ownership.ts";
import type { Bundle } from "./bundle.ts";

/** A worker whose lock is gone is dead after this long without a beat. */
const silenceMs = 1500;
/** Three beats: who has just come back does not take from others. */
const settledMs = 3000;

export interface Runner {
  readonly worker_id: string;
  readonly runner_id: string;
}

/**
 * Names the runner on a runnable chat that is unowned, or whose worker is dead by database time. Rejected where the
 * owner lives, or where the taker itself is not alive, is draining or, to take from another, has not settled.
 */
export async function acquire(bundle: Bundle, runner: Runner): Promise<ChatRow> {
  await bundle.refresh();
  const { chat, chatId, tx, state } = bundle;
  if (!isRunnable(chat)) throw new TransitionRejected("acquire", state, "there is nothing to do");
  const lease_ms = bundle.transaction.leaseMs;
  const row =
    chat.worker_id === null
      ? await acquireChat(tx, chatId, runner.worker_id, runner.runner_id, lease_ms)
      : await takeOverChat(tx, chatId, {
          ...runner,
          lease_ms,
          silence_ms: silenceMs,
          settled_ms: settledMs,
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
export async function abandon(bundle: Bundle, runner_id: string): Promise<ChatRow> {
  await bundle.refresh();
  const { chat } = bundle;
  if (chat.runner_id === null) {
    throw new TransitionRejected("abandon", bundle.state, "nobody owns the chat");
  }
  if (chat.runner_id !== runner_id) throw new FenceLost(bundle.chatId);
  return await bundle.set({ worker_id: null, runner_id: null });
}
