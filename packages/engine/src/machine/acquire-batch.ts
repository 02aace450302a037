import type { ChatRow } from "../domain/rows.ts";
import { isLimited } from "../domain/running-limits.ts";
import { defined } from "../lib/assert.ts";
import { tryAdmission } from "../store/slots.ts";
import { lockRunnable, takeChats, type Wanted } from "../store/acquisition.ts";
import { Bundle } from "./bundle.ts";
import type { Machine } from "./machine.ts";
import type { Reservation } from "./ports.ts";

export interface BatchAcquisition {
  readonly wanted: Wanted;
  /** Registers the runner of a chat that is about to be taken; null leaves the chat to others. */
  readonly reserve: (chat: ChatRow) => Reservation | null;
}

export interface BatchAcquired {
  /** The rows as taken. */
  readonly taken: readonly { readonly before: ChatRow; readonly chat: ChatRow }[];
  /** How many there were to take. */
  readonly found: number;
  /** False: another is counting slots at this moment, and only what needs none was looked at. */
  readonly admitted: boolean;
}

/**
 * Takes runnable chats that nobody alive owns, in one transaction. Each is a bundle of its own: bumped by one, and
 * published with the others after the commit. The runners are registered before the commit is sent.
 */
export async function acquireBatch(
  machine: Machine,
  { wanted, reserve }: BatchAcquisition,
): Promise<BatchAcquired> {
  return await machine.transaction(
    async (transaction) => {
      const { tx } = transaction;
      const admitted = !isLimited(wanted.limits) || (await tryAdmission(tx));
      const found = await lockRunnable(tx, admitted ? wanted : { ...wanted, free: 0 });
      const takings = found.flatMap((before) => {
        const reservation = reserve(before);
        if (reservation === null) return [];
        const entry = { reservation, chat: before };
        // Registered before it is sent: whatever becomes of the transaction, the reservation hears of it.
        transaction.reservations.push(entry);
        return [{ before, entry }];
      });
      if (takings.length === 0) return { taken: [], found: found.length, admitted };
      const rows = await takeChats(
        tx,
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
          async ({ before, chat }) =>
            await new Bundle(transaction, chat.id, before, {
              chat,
              messageId: null,
              at: chat.updated_at,
            }).commit(),
        ),
      );
      for (const commit of commits) transaction.publish(commit.chat.id, commit);
      return { taken, found: found.length, admitted };
    },
    "worker.acquire",
    "upkeep",
  );
}
