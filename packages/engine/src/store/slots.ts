import type { ChatRow } from "../domain/rows.ts";
import type { SlotLimits } from "../domain/running-limits.ts";
import type { WriteTx } from "../postgres/sql.ts";

/**
 * The right to count slots and to take some, until the transaction ends; false while another has it. A statement of its
 * own: only those after it see all that was taken before.
 */
export async function tryAdmission(tx: WriteTx): Promise<boolean> {
  const [row] = await tx.query<{ admitted: boolean }>({
    name: "slots.try_admission",
    text: `select parley.try_admission() as admitted`,
  });
  return row?.admitted ?? false;
}

/** Whether the chat, which this transaction has locked, may hold a slot beside those of all others. */
export async function hasRoom(
  tx: WriteTx,
  chat: Pick<ChatRow, "id" | "owner_id">,
  slot: SlotLimits,
  leaseMs: number,
  silenceMs: number,
): Promise<boolean> {
  const [row] = await tx.query<{ room: boolean }>({
    name: "slots.has_room",
    text: `select parley.has_room($1, $2, $3, $4, $5, $6, $7) as room`,
    values: [chat.id, chat.owner_id, slot.kind, slot.max, slot.owner_max, leaseMs, silenceMs],
  });
  return row?.room ?? false;
}

/** Removes slots whose chat does not name their runner any more. The trigger leaves none: this is for repairs by hand. */
export async function sweepSlots(tx: WriteTx, rowsMax: number): Promise<number> {
  const rows = await tx.query({
    name: "slots.sweep",
    text: `delete from parley.slots where chat_id = any (array (
             select s.chat_id from parley.slots s
             where not exists (select from parley.chats c
               where c.id = s.chat_id and c.runner_id = s.runner_id and c.status = 'running')
             limit $1 for update of s skip locked)) returning chat_id`,
    values: [rowsMax],
  });
  return rows.length;
}
