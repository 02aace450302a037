import type { ChatRow } from "../domain/rows.ts";
import type { RunningLimits } from "../domain/running-limits.ts";
import type { ReadTx, Sql, WriteTx } from "../postgres/sql.ts";

/** What a worker may take, and how much of it. */
export interface Wanted {
  readonly worker_id: string;
  /** Room for chats that need a model; those that anybody may take come on top. */
  readonly free: number;
  /** How many chats that anybody may take (interrupting, or waiting past their deadline). */
  readonly unconditional_max: number;
  /** Models that this worker is known not to have. */
  readonly refused_models: readonly string[];
  /** Workers held for dead although the database's clock does not say so, with the beat that was seen of them. */
  readonly expired: readonly { readonly id: string; readonly beat_us: number }[];
  /** Chats that are left to workers which have what this one lacks; stopping them is everybody's all the same. */
  readonly left_chats: readonly string[];
  /** Owners whose chats were taken lately, the last one last: others come before them. */
  readonly served_owners: readonly string[];
  /** How many chats may hold a slot. Whoever locks under limits has the admission to itself: `tryAdmission`. */
  readonly limits: RunningLimits;
  readonly lease_ms: number;
  readonly silence_ms: number;
  /** For how long a worker must have been healthy before it takes chats that name another. */
  readonly settled_ms: number;
}

/** Chats looked at per pass, of all owners and of one: bounds the ranking when thousands wait. */
const rankedMax = 500;
const rankedPerOwnerMax = 50;

/**
 * Runnable chats that nobody alive owns. `me` is empty, and so is everything, unless the asking worker is alive and not
 * draining. Ranked in turn over owners, so that one owner with a thousand chats does not keep the others waiting.
 */
const unowned = `
  with recursive me as materialized (
    select id, healthy_since <= parley.now() - make_interval(secs => $7::double precision / 1000) as settled
    from parley.workers
    where id = $1 and not draining
      and heartbeat_at > parley.now() - make_interval(secs => $5::double precision / 1000)
  ), dead as materialized (
    select d.id from parley.dead_workers($5, $6) as d (id)
    union
    select w.id from parley.workers w
      join unnest($8::uuid[], $9::bigint[]) as e (id, beat_us) on e.id = w.id
        and (extract(epoch from w.heartbeat_at) * 1000000)::bigint = e.beat_us
  ), here as materialized (select parley.now() as now)`;

const isUnowned = `(c.worker_id is null or (me.settled and c.worker_id <> me.id and (
    c.worker_id in (select id from dead)
    or not exists (select from parley.workers w where w.id = c.worker_id))))`;

const unconditional = `(c.status = 'interrupting'
    or (c.status = 'requires_action' and c.requires_action_deadline_at <= here.now))`;

/** Null for what takes no slot. */
const slotKind = `case when c.status <> 'running' then null when c.parent_chat_id is null then 'root' else 'sub_agent' end`;

const isMine = `c.runnable_since is not null and not c.archived and not ${unconditional} and c.model <> all ($4::text[])
    and c.id <> all ($15::uuid[])`;

/** There is room for one more of this kind and owner. */
const isOpen = `case when c.status <> 'running' then true else
    (select room.n > 0 from room where room.kind = ${slotKind})
    and not exists (select from full_owners f where f.owner_id = c.owner_id and f.kind = ${slotKind}) end`;

/**
 * `taken` is empty where there are no limits: nothing is counted then. Owners are walked along the index of chats that
 * wait, and each gives its oldest ones: a crowd of one owner's chats cannot hide those of the others.
 */
const candidates = `
  , anybodys as (
    select c.id from parley.chats c, me, here
    where c.runnable_since is not null and not c.archived and ${isUnowned} and ${unconditional}
    order by c.runnable_since limit $3
  ), taken as materialized (
    select s.kind, s.owner_id, count(*) as n from parley.slots s
    where coalesce($11::integer, $12::integer, $13::integer, $14::integer) is not null
      and s.worker_id in (select id from parley.workers) and s.worker_id not in (select id from dead)
    group by s.kind, s.owner_id
  ), room as materialized (
    select kind, owner_max,
      coalesce(max, 2147483647) - (select coalesce(sum(t.n), 0) from taken t where t.kind = k.kind) as n
    from (values ('root', $11::integer, coalesce($12::integer, 2147483647)),
      ('sub_agent', $13::integer, coalesce($14::integer, 2147483647))) as k (kind, max, owner_max)
  ), full_owners as materialized (
    select t.kind, t.owner_id from taken t join room on room.kind = t.kind where t.n >= room.owner_max
  ), owners as (
    (select c.owner_id from parley.chats c where c.runnable_since is not null and c.worker_id is null
      order by c.owner_id limit 1)
    union all
    select (select c.owner_id from parley.chats c where c.runnable_since is not null and c.worker_id is null
        and c.owner_id > o.owner_id order by c.owner_id limit 1)
    from owners o where o.owner_id is not null
  ), found as (
    select w.* from owners o, me, here, lateral (
      select c.id, c.owner_id, ${slotKind} as kind, c.runnable_since as since from parley.chats c
      where c.worker_id is null and c.owner_id = o.owner_id and ${isMine} and ${isOpen}
      order by c.runnable_since limit ${rankedPerOwnerMax}) w
    union all (
      select c.id, c.owner_id, ${slotKind}, c.runnable_since from parley.chats c, me, here
      where c.worker_id is not null and ${isUnowned} and ${isMine} and ${isOpen}
      order by c.runnable_since limit ${rankedMax})
  ), ranked as (
    select f.*, coalesce(array_position($10::uuid[], f.owner_id), 0) as served,
      row_number() over (partition by f.owner_id order by f.since) as turn,
      row_number() over (partition by f.owner_id, f.kind order by f.since) as nth
    from found f
  ), admissible as (
    select r.*, room.n as room, row_number() over (partition by r.kind order by r.turn, r.served, r.since) as place
    from ranked r
    left join room on room.kind = r.kind
    left join taken t on t.kind = r.kind and t.owner_id = r.owner_id
    where r.kind is null or r.nth + coalesce(t.n, 0) <= room.owner_max
  ), mine as (
    select id, turn, served, since from admissible where kind is null or place <= room
    order by turn, served, since limit case when $2::integer <= 0 then 0 else ${rankedMax} end
  )`;

function valuesOf(wanted: Wanted): unknown[] {
  return [
    wanted.worker_id,
    wanted.free,
    wanted.unconditional_max,
    wanted.refused_models,
    wanted.lease_ms,
    wanted.silence_ms,
    wanted.settled_ms,
    wanted.expired.map(({ id }) => id),
    wanted.expired.map(({ beat_us }) => beat_us),
    wanted.served_owners,
    wanted.limits.roots,
    wanted.limits.roots_per_owner,
    wanted.limits.sub_agents,
    wanted.limits.sub_agents_per_owner,
    wanted.left_chats,
  ];
}

export interface Look {
  /** There is something to take. */
  readonly found: boolean;
  /** Chats wait that this worker could run but for the limits. */
  readonly held: boolean;
}

/** Whether there is anything to take: one read, so that an idle worker opens no transactions. */
export async function lookForRunnable(
  sql: Pick<Sql, "query"> | ReadTx,
  wanted: Wanted,
): Promise<Look> {
  const [row] = await sql.query<Look>({
    name: "acquisition.look",
    text: `${unowned} ${candidates}
      select exists (select from anybodys) or exists (select from mine) as found,
        coalesce($11::integer, $12::integer, $13::integer, $14::integer) is not null and exists (
          select from parley.chats c, me, here
          where c.worker_id is null and c.status = 'running' and ${isMine} and not (${isOpen})) as held`,
    values: valuesOf(wanted),
  });
  return row ?? { found: false, held: false };
}

/**
 * Locks what is to be taken, skipping what others hold. The conditions are said again where the lock is taken: a row
 * that changed while it was waited for is judged by its newest version.
 */
export async function lockRunnable(tx: WriteTx, wanted: Wanted): Promise<ChatRow[]> {
  return await tx.query<ChatRow>({
    name: "acquisition.lock",
    text: `${unowned} ${candidates}
      , taken_anybodys as (
        select c.* from parley.chats c join anybodys a on a.id = c.id, me, here
        where c.runnable_since is not null and not c.archived and ${isUnowned} and ${unconditional}
        for update of c skip locked
      ), taken_mine as (
        select c.* from parley.chats c join mine m on m.id = c.id, me, here
        where c.runnable_since is not null and not c.archived and ${isUnowned} and not ${unconditional}
        order by m.turn, m.served, m.since limit greatest($2::integer, 0)
        for update of c skip locked
      )
      select * from taken_anybodys union all select * from taken_mine`,
    values: valuesOf(wanted),
  });
}

export interface Taking {
  readonly chat_id: string;
  readonly runner_id: string;
}

/**
 * Names the runners on rows that `lockRunnable` has locked, and bumps them. A chat taken from a dead owner while a step
 * was in flight counts as a takeover; one that only waited, in a back-off for instance, does not.
 */
export async function takeChats(
  tx: WriteTx,
  workerId: string,
  takings: readonly Taking[],
): Promise<ChatRow[]> {
  return await tx.query<ChatRow>({
    name: "acquisition.take",
    text: `update parley.chats c set snapshot_version = c.snapshot_version + 1, worker_id = $1, runner_id = t.runner_id,
             takeovers = c.takeovers + case
               when c.worker_id is not null and c.status = 'running' and c.generation_attempt > 0
                 and c.retry_state is null
                 -- without its slot it only waited for others
                 and exists (select from parley.slots s where s.chat_id = c.id and s.runner_id = c.runner_id)
               then 1 else 0 end
           from unnest($2::uuid[], $3::uuid[]) as t (id, runner_id)
           where c.id = t.id returning c.*`,
    values: [workerId, takings.map((t) => t.chat_id), takings.map((t) => t.runner_id)],
  });
}

/** The chats that name this worker: what the audit compares with its runners. */
export async function readOwned(sql: Pick<Sql, "query">, workerId: string): Promise<ChatRow[]> {
  return await sql.query<ChatRow>({
    name: "acquisition.owned",
    text: `select * from parley.chats where worker_id = $1`,
    values: [workerId],
  });
}
