import type { Waiting } from "@parley/protocol";
import type { RunningLimits } from "../domain/running-limits.ts";
import type { Database } from "../postgres/database.ts";
import type { Statement } from "../postgres/sql.ts";

/** What the judgement goes by: the same as what chats are taken by. */
export interface BacklogRules {
  readonly limits: RunningLimits;
  readonly lease_ms: number;
  /** A worker whose lock is gone is dead after this long without a beat. */
  readonly silence_ms: number;
}

/**
 * Chats that have something to do and that nobody alive drives, with the reason; null where a worker could take them
 * now. Workers that drain take nothing, and still hold the slots of what they drive.
 */
const judged = `
  with dead as materialized (
    select d.id from parley.dead_workers($1, $2) as d (id)
  ), held as materialized (
    select s.worker_id, s.kind, s.owner_id, count(*) as n from parley.slots s
    where s.worker_id in (select id from parley.workers) and s.worker_id not in (select id from dead)
    group by s.worker_id, s.kind, s.owner_id
  ), takers as materialized (
    select w.providers, w.capacity > (select coalesce(sum(h.n), 0) from held h where h.worker_id = w.id) as has_room
    from parley.workers w
    where not w.draining and w.capacity > 0 and w.id not in (select id from dead)
  ), limits (kind, max, owner_max) as (
    values ('root', $3::integer, $4::integer), ('sub_agent', $5::integer, $6::integer)
  ), full_kinds as materialized (
    select l.kind from limits l where l.max <= (select coalesce(sum(h.n), 0) from held h where h.kind = l.kind)
  ), full_owners as materialized (
    select h.kind, h.owner_id from held h join limits l on l.kind = h.kind
    group by h.kind, h.owner_id, l.owner_max having sum(h.n) >= l.owner_max
  ), judged as (
    select c.id, split_part(c.model, '/', 1) as provider, case
      when not exists (select from takers) then 'no_worker'
      when c.status <> 'running' then null
      when not exists (select from takers t
        where t.providers is null or split_part(c.model, '/', 1) = any (t.providers)) then 'no_provider'
      when not exists (select from takers t
        where t.has_room and (t.providers is null or split_part(c.model, '/', 1) = any (t.providers))) then 'capacity'
      when k.kind in (select kind from full_kinds)
        or exists (select from full_owners f where f.kind = k.kind and f.owner_id = c.owner_id) then 'capacity'
      end as reason
    from parley.chats c,
      lateral (select case when c.parent_chat_id is null then 'root' else 'sub_agent' end as kind) k
    where c.runnable_since is not null and not c.archived
      and (c.status <> 'requires_action' or c.requires_action_deadline_at <= parley.now())
      and (c.worker_id is null or c.worker_id in (select id from dead)
        or c.worker_id not in (select id from parley.workers))`;

function valuesOf({ limits, lease_ms, silence_ms }: BacklogRules): unknown[] {
  const { roots, roots_per_owner, sub_agents, sub_agents_per_owner } = limits;
  return [lease_ms, silence_ms, roots, roots_per_owner, sub_agents, sub_agents_per_owner];
}

/** Why these chats wait; one that is not in the answer is driven, has nothing to do, or is about to be taken. */
export async function readWaiting(
  database: Pick<Database, "one">,
  chatIds: readonly string[],
  rules: BacklogRules,
  options: { readonly statementTimeoutMs: number },
): Promise<Map<string, Waiting>> {
  const statement: Statement = {
    name: "backlog.waiting",
    text: `${judged} and c.id = any ($7::uuid[])) select * from judged where reason is not null`,
    values: [...valuesOf(rules), chatIds],
  };
  const rows = await database.one<{ id: string; provider: string; reason: Reason }>(statement, {
    operation: "stream.waiting",
    ...options,
  });
  return new Map(rows.map(({ id, provider, reason }) => [id, waitingOf(reason, provider)]));
}

type Reason = "no_worker" | "no_provider" | "capacity";

function waitingOf(reason: Reason, provider: string): Waiting {
  return reason === "no_provider" ? { reason: "no_worker", missing: provider } : { reason };
}

export interface Backlog {
  /** Chats of the deployment that wait, by reason. */
  readonly waiting: Readonly<Record<Waiting["reason"], number>>;
  /** Chats with a step in flight. */
  readonly slots: Readonly<Record<"root" | "sub_agent", number>>;
}

/** The whole deployment in one statement. */
export async function readBacklog(
  database: Pick<Database, "one">,
  rules: BacklogRules,
  options: { readonly statementTimeoutMs: number },
): Promise<Backlog> {
  const statement: Statement = {
    name: "backlog.count",
    text: `${judged})
      select (select count(*) from judged where reason = 'capacity') as capacity,
        (select count(*) from judged where reason in ('no_worker', 'no_provider')) as no_worker,
        (select coalesce(sum(n), 0)::bigint from held where kind = 'root') as root,
        (select coalesce(sum(n), 0)::bigint from held where kind = 'sub_agent') as sub_agent`,
    values: valuesOf(rules),
  };
  const [row] = await database.one<Record<"capacity" | "no_worker" | "root" | "sub_agent", number>>(
    statement,
    { operation: "metrics.backlog", lane: "upkeep", ...options },
  );
  const { capacity = 0, no_worker = 0, root = 0, sub_agent = 0 } = row ?? {};
  return { waiting: { capacity, no_worker }, slots: { root, sub_agent } };
}
