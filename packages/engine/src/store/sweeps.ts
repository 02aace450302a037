import type { WriteTx } from "../postgres/sql.ts";

/** How long the list's stream can still tell that a chat was deleted. */
const tombstonesKeptDays = 7;

/** Removes at most `rowsMax` tombstones that are too old; gives how many. */
export async function sweepTombstones(tx: WriteTx, rowsMax: number): Promise<number> {
  const rows = await tx.query({
    name: "chat_tombstones.sweep",
    text: `delete from parley.chat_tombstones where chat_id = any (array (
             select chat_id from parley.chat_tombstones
             where deleted_at < parley.now() - make_interval(days => $1)
             limit $2 for update skip locked)) returning chat_id`,
    values: [tombstonesKeptDays, rowsMax],
  });
  return rows.length;
}

/** Removes at most `rowsMax` tickets that nobody took in time; gives how many. */
export async function sweepTickets(tx: WriteTx, rowsMax: number): Promise<number> {
  const rows = await tx.query({
    name: "stream_tickets.sweep",
    text: `delete from parley.stream_tickets where ticket_hash = any (array (
             select ticket_hash from parley.stream_tickets where expires_at < parley.now()
             limit $1 for update skip locked)) returning true`,
    values: [rowsMax],
  });
  return rows.length;
}
