import type { ChatRow } from "../domain/rows.ts";
import { defined } from "../lib/assert.ts";
import { lockRunnable, takeChats, type Wanted } from "../store/acquisition.ts";
import { Bundle } from "./bundle.ts";
import type { Machine } from "./machine.ts";
import type { Reservation } from "./ports.ts";

export interface BatchAcquisition {
  readonly wanted: Wanted;
  /** Registers the runner of a chat that is about to be taken; null leaves the chat to others. */
  readonly reserve: (chat: ChatRow) => Reservation | null;
}

/**
 * Takes runnable chats that nobody alive owns, in one transaction. Each is a bundle of its own: bumped by one, and
 * published with the others after the commit. The runners are registered before the commit is sent.
 *
 * @returns the rows as taken, and how many had been found.
 */
export async function acquireBatch(
  machine: Machine,
  { wanted, reserve }: BatchAcquisition,
): Promise<{ taken: { before: ChatRow; chat: ChatRow }[]; found: number }> {
  return await machine.transaction(async (transaction) => {
    const found = await lockRunnable(transaction.tx, wanted);
    const takings = found.flatMap((before) => {
      const reservation = reserve(before);
      if (reservation === null) return [];
      const entry = { reservation, chat: before };
      // Registered before it is sent: whatever becomes of the transaction, the reservation hears of it.
      transaction.reservations.push(entry);
      return [{ before, entry }];
    });
    if (takings.length === 0) return { taken: [], found: found.length };
    const rows = await takeChats(
      transaction.tx,
      wanted.worker_id,
      takings.map(({ before, entry }) => ({
        chat_id: before.id,
        runner_id: entry.reservation.runner_id,
      })),
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    const taken = takings.map(({ before, entry }) => {
      const chat = defined(byId.get(before.id), "a locked row");
      entry.chat = chat;
      return { before, chat };
    });
    const commits = await Promise.all(
      taken.map(
        async ({ before, chat }) => await new Bundle(transaction, chat.id, before, chat).commit(),
      ),
    );
    transaction.commits.push(...commits);
    return { taken, found: found.length };
  }, "worker.acquire");
}
