import type { ChatRow } from "../domain/rows.ts";
import type { SlotLimits } from "../domain/running-limits.ts";
import type { WriteTx } from "../postgres/sql.ts";
import { assignments, shortName, type ChatChanges } from "./chats.ts";

/**
 * Names the runner on an unowned chat, if its worker is alive by database time and takes work, and if the chat may take
 * a slot.
 */
export async function acquireChat(
  tx: WriteTx,
  chatId: string,
  workerId: string,
  runnerId: string,
  leaseMs: number,
  silenceMs: number,
  slot: SlotLimits,
): Promise<ChatRow | undefined> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.acquire",
    text: `update parley.chats set worker_id = $2, runner_id = $3
           where id = $1 and worker_id is null
             and exists (select from parley.workers w where w.id = $2 and not w.draining
                         and w.heartbeat_at > parley.now() - make_interval(secs => $4::double precision / 1000))
             and parley.has_room(id, owner_id, $6, $7, $8, $4, $5)
           returning *`,
    values: [chatId, workerId, runnerId, leaseMs, silenceMs, slot.kind, slot.max, slot.owner_max],
  });
  return row;
}

/** Whom a chat that nobody owns is offered to, with whatever else is written to its row. */
export interface Offer {
  readonly worker_id: string;
  readonly runner_id: string;
  readonly lease_ms: number;
  readonly silence_ms: number;
  readonly slot: SlotLimits;
  /** Records the first attempt, too, unless a budget holds the chat: then its worst case has to be reserved first. */
  readonly attempt: boolean;
}

/**
 * Writes the given columns; in the same statement names the runner, if its worker is alive by database time and takes
 * work, and if the chat may take a slot. The row says what became of it. For a row that is locked, and names nobody.
 */
export async function updateAndOffer(
  tx: WriteTx,
  chatId: string,
  changes: ChatChanges,
  offer: Offer,
): Promise<ChatRow> {
  const { sets, shape, values } = assignments(chatId, changes);
  const { kind, max, owner_max } = offer.slot;
  const { worker_id, runner_id, lease_ms, silence_ms } = offer;
  const given = [worker_id, runner_id, lease_ms, silence_ms, kind, max, owner_max, offer.attempt];
  const [worker, runner, lease, silence, slot, slots, ownerSlots, attempt] = given.map(
    (_, at) => `$${values.length + 1 + at}`,
  );
  const [row] = await tx.query<ChatRow>({
    name: shortName(`chats.offer:${shape}`),
    text: `update parley.chats set ${sets === "" ? "" : `${sets},`}
             worker_id = case when t.taken then ${worker}::uuid end,
             runner_id = case when t.taken then ${runner}::uuid end,
             generation_attempt = generation_attempt
               + case when t.taken and ${attempt}::boolean and not parley.has_budget(chats) then 1 else 0 end
           from (select c.id, exists (select from parley.workers w where w.id = ${worker} and not w.draining
                     and w.heartbeat_at > parley.now() - make_interval(secs => ${lease}::double precision / 1000))
                   and parley.has_room(c.id, c.owner_id, ${slot}, ${slots}, ${ownerSlots}, ${lease}, ${silence}) as taken
                 from parley.chats c where c.id = $1) t
           where chats.id = t.id returning chats.*`,
    values: [...values, ...given],
  });
  return row as ChatRow;
}

export interface Takeover {
  readonly worker_id: string;
  readonly runner_id: string;
  readonly lease_ms: number;
  /** A worker whose lock is gone is dead after this long without a beat. */
  readonly silence_ms: number;
  /** How long the taker must have been healthy. */
  readonly settled_ms: number;
  readonly slot: SlotLimits;
}

/** Names the runner on a chat whose worker is dead. A step that was in flight counts against the chat. */
export async function takeOverChat(
  tx: WriteTx,
  chatId: string,
  takeover: Takeover,
): Promise<ChatRow | undefined> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.take_over",
    text: `update parley.chats set worker_id = $2, runner_id = $3,
             takeovers = takeovers + case
               when status = 'running' and generation_attempt > 0 and retry_state is null
                 -- without its slot it only waited for others
                 and exists (select from parley.slots s where s.chat_id = chats.id and s.runner_id = chats.runner_id)
               then 1 else 0 end
           where id = $1 and worker_id is not null and worker_id <> $2
             and parley.worker_is_dead(worker_id, $4, $5)
             and exists (select from parley.workers w where w.id = $2 and not w.draining
                         and w.heartbeat_at > parley.now() - make_interval(secs => $4::double precision / 1000)
                         and w.healthy_since <= parley.now() - make_interval(secs => $6::double precision / 1000))
             and parley.has_room(id, owner_id, $7, $8, $9, $4, $5)
           returning *`,
    values: [
      chatId,
      takeover.worker_id,
      takeover.runner_id,
      takeover.lease_ms,
      takeover.silence_ms,
      takeover.settled_ms,
      takeover.slot.kind,
      takeover.slot.max,
      takeover.slot.owner_max,
    ],
  });
  return row;
}
