import type { WriteTx } from "../postgres/sql.ts";

/** What a stream ticket stands for: a token's right to open one stream. */
export interface TicketRow {
  readonly token_id: string;
  readonly principal_id: string;
  readonly principal_name: string;
  readonly is_admin: boolean;
  /** Null: the list of chats. */
  readonly chat_id: string | null;
}

export interface NewTicket {
  readonly ticket_hash: Uint8Array;
  readonly principal_id: string;
  readonly token_id: string;
  readonly chat_id: string | null;
  readonly ttl_seconds: number;
}

/** Stores a ticket and gives the time when it ends; those that were never used are swept on the way. */
export async function insertTicket(tx: WriteTx, ticket: NewTicket): Promise<Date> {
  const [row] = await tx.query<{ expires_at: Date }>({
    name: "stream_tickets.insert",
    text: `with swept as (
             delete from parley.stream_tickets where ticket_hash in (
               select ticket_hash from parley.stream_tickets where expires_at < parley.now()
               limit 100 for update skip locked))
           insert into parley.stream_tickets (ticket_hash, principal_id, token_id, chat_id, expires_at)
           values ($1, $2, $3, $4, parley.now() + make_interval(secs => $5::double precision))
           returning expires_at`,
    values: [
      Buffer.from(ticket.ticket_hash),
      ticket.principal_id,
      ticket.token_id,
      ticket.chat_id,
      ticket.ttl_seconds,
    ],
  });
  return (row as { expires_at: Date }).expires_at;
}

/** Takes the ticket: who comes second finds nothing. Undefined also where it, or the token behind it, has ended. */
export async function takeTicket(
  tx: WriteTx,
  ticketHash: Uint8Array,
): Promise<TicketRow | undefined> {
  const [row] = await tx.query<TicketRow>({
    name: "stream_tickets.take",
    text: `with taken as (
             delete from parley.stream_tickets where ticket_hash = $1 returning *)
           select t.id as token_id, p.id as principal_id, p.name as principal_name, p.is_admin, taken.chat_id
           from taken join parley.api_tokens t on t.id = taken.token_id
             join parley.principals p on p.id = taken.principal_id
           where taken.expires_at > parley.now() and t.revoked_at is null
             and (t.expires_at is null or t.expires_at > parley.now())`,
    values: [Buffer.from(ticketHash)],
  });
  return row;
}
