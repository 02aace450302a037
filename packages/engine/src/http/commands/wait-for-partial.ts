import type { Chat, InterruptAnswer } from "@parley/protocol";
import { ChatNotFound } from "../../domain/errors.ts";
import { chatOf, messageOf } from "../../domain/representation.ts";
import type { Wake } from "../../lib/wake.ts";
import { readChat } from "../../store/chats.ts";
import { readKeptPartial } from "../../store/outcomes.ts";
import type { HttpContext } from "../context.ts";
import type { Answer } from "./once.ts";

/** How often to look where no hint comes: the bus may lose every one of them. */
const lookMs = 500;

/**
 * Waits until the interruption that `interrupted` was answered with has ended, at most `interruptWaitMs`.
 *
 * @param wake is set when the chat may have changed.
 * @param signal the client is gone, or the server drains: answers with what there is.
 */
export async function waitForPartial(
  context: HttpContext,
  interrupted: Chat,
  wake: Wake,
  signal: AbortSignal,
): Promise<Answer<InterruptAnswer>> {
  const { clock, limits } = context;
  const untilMs = clock.monotonic() + limits.interruptWaitMs;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    const seen = await look(context, interrupted);
    if (seen.status === 200) return seen;
    const leftMs = untilMs - clock.monotonic();
    if (leftMs <= 0 || signal.aborted) return seen;
    // oxlint-disable-next-line no-await-in-loop
    await wake.wait(signal, clock, Math.min(lookMs, leftMs), "http.interrupt_wait");
  }
}

async function look(context: HttpContext, interrupted: Chat): Promise<Answer<InterruptAnswer>> {
  const { id, snapshot_version, history_version } = interrupted;
  return await context.machine.read(async (tx) => {
    const [chat, partial] = await Promise.all([
      readChat(tx, id),
      readKeptPartial(tx, id, snapshot_version),
    ]);
    if (chat === undefined) throw new ChatNotFound(id);
    // Still the same stop: nothing has entered history since.
    const stopping = chat.status === "interrupting" && chat.history_version === history_version;
    const message = stopping || partial === undefined ? null : messageOf(partial);
    return { status: stopping ? 202 : 200, body: { chat: chatOf(chat), message } };
  }, "http.interrupt_wait");
}
