import type { StreamTicketAnswer } from "@parley/protocol";
import { hashToken, newTicket } from "../../domain/token.ts";
import { insertTicket } from "../../store/tickets.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";

/** A ticket that opens one stream, once: of this chat, or (null) of the list. */
export async function streamTicketCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string | null,
): Promise<StreamTicketAnswer> {
  // Read, and not remembered: a ticket for a chat that is gone would only fail later.
  const chat = chatId === null ? null : await context.access.read(caller, chatId);
  const ticket = newTicket(context.random);
  const expiresAt = await context.database.write(
    (tx) =>
      insertTicket(tx, {
        ticket_hash: hashToken(ticket),
        principal_id: caller.principalId,
        token_id: caller.tokenId,
        chat_id: chat?.id ?? null,
        ttl_seconds: context.limits.ticketSeconds,
      }),
    { operation: "http.stream_ticket" },
  );
  return { ticket, expires_at: expiresAt.toISOString() };
}
