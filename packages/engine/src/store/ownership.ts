import type { ChatRow } from "../domain/rows.ts";
import type { WriteTx } from "../postgres/sql.ts";

/** Names the runner on an unowned chat, if its worker is alive by database time and takes work. */
export async function acquireChat(
  tx: WriteTx,
  chatId: string,
  workerId: string,
  runnerId: string,
  leaseMs: number,
): Promise<ChatRow | undefined> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.acquire",
    text: `update parley.chats set worker_id = $2, runner_id = $3
           where id = $1 and worker_id is null
             and exists (select from parley.workers w where w.id = $2 and not w.draining
                         and w.heartbeat_at > parley.now() - make_interval(secs => $4::double precision / 1000))
           returning *`,
    values: [chatId, workerId, runnerId, leaseMs],
  });
  return row;
}
