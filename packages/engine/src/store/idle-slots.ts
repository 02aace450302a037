import type { WriteTx } from "../postgres/sql.ts";

/** The chat's step only waits: it counts against no limit. Nothing happens where another runner has the slot. */
export async function leaveSlot(tx: WriteTx, chatId: string, runnerId: string): Promise<void> {
  await tx.query({
    name: "slots.leave",
    text: `delete from parley.slots where chat_id = $1 and runner_id = $2`,
    values: [chatId, runnerId],
  });
}

/** The step goes on, over every limit. Nothing happens where the runner does not drive the chat any more. */
export async function resumeSlot(tx: WriteTx, chatId: string, runnerId: string): Promise<void> {
  await tx.query({
    name: "slots.resume",
    text: `insert into parley.slots (chat_id, worker_id, runner_id, owner_id, kind)
           select id, worker_id, runner_id, owner_id, case when parent_chat_id is null then 'root' else 'sub_agent' end
           from parley.chats where id = $1 and runner_id = $2 and status = 'running' for update
           on conflict (chat_id) do nothing`,
    values: [chatId, runnerId],
  });
}
