import type { WriteTx } from "../postgres/sql.ts";
import { tombstoneKeptMs } from "./watch.ts";

/** Removes at most `rowsMax` tombstones that no cursor of the list's stream needs any more; gives how many. */
export async function sweepTombstones(tx: WriteTx, rowsMax: number): Promise<number> {
  const rows = await tx.query({
    name: "chat_tombstones.sweep",
    text: `delete from parley.chat_tombstones where chat_id = any (array (
             select chat_id from parley.chat_tombstones
             where deleted_at < parley.now() - make_interval(secs => $1::double precision / 1000)
             limit $2 for update skip locked)) returning chat_id`,
    values: [tombstoneKeptMs, rowsMax],
  });
  return rows.length;
}
