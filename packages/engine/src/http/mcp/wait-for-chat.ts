import type { Chat } from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import { linked } from "../../lib/abort.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";

/** How often to look where no hint comes: the bus may lose every one of them. */
const lookMs = 1_000;

/**
 * The chat as soon as `isEnough` says so of it, or as it is when the time is over, the client is gone or the server
 * drains.
 */
export async function waitForChat(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  {
    seconds,
    signal,
    isEnough,
  }: { seconds: number; signal: AbortSignal; isEnough: (chat: Chat) => boolean },
): Promise<Chat> {
  const { clock, signals, access, draining } = context;
  const id = await access.require(caller, chatId);
  const untilMs = clock.monotonic() + seconds * 1_000;
  // Before the first look: what is committed meanwhile must not be missed.
  const following = signals.follow(id);
  using over = linked(signal, draining);
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one look after the other
      const chat = chatOf(await access.read(caller, id));
      const leftMs = untilMs - clock.monotonic();
      if (isEnough(chat) || leftMs <= 0 || over.signal.aborted) return chat;
      // oxlint-disable-next-line no-await-in-loop
      await following.wake.wait(over.signal, clock, Math.min(lookMs, leftMs), "http.mcp_wait");
    }
  } finally {
    following.stop();
  }
}

/** Nothing happens in it any more by itself. */
export function isSettled({ status }: Chat): boolean {
  return status !== "running" && status !== "interrupting";
}
