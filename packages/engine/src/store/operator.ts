import type { Status } from "@parley/protocol";
import type { Sql, WriteTx } from "../postgres/sql.ts";

type Reader = Pick<Sql, "query">;

/** Chats that are told of each replica. */
const drivenMax = 100;
/** Rows that are told of each ledger. */
const ledgerRowsMax = 50;
const attemptsMax = 20;

/** By what a worker is held for dead. */
export interface DeathRules {
  readonly lease_ms: number;
  readonly silence_ms: number;
}

export interface WorkerInfoRow {
  readonly id: string;
  readonly address: string | null;
  readonly version: string;
  readonly state: "alive" | "draining" | "dead";
  readonly started_at: Date;
  readonly last_beat_at: Date;
  readonly beat_ms: number;
  readonly drain_requested_at: Date | null;
  readonly capacity: number;
  readonly working: number;
  readonly owned: number;
  readonly providers: string[] | null;
}

/** Every worker that has a row, the oldest first. */
export async function readWorkerInfos(
  sql: Reader,
  { lease_ms, silence_ms }: DeathRules,
): Promise<WorkerInfoRow[]> {
  return await sql.query<WorkerInfoRow>({
    name: "operator.workers",
    text: `with t as materialized (select parley.now() as now),
             dead as materialized (select d.id from parley.dead_workers($1, $2) as d (id))
           select w.id, w.relay_url as address, w.version, w.started_at, w.heartbeat_at as last_beat_at,
             (extract(epoch from t.now - w.heartbeat_at) * 1000)::double precision as beat_ms,
             w.drain_requested_at, w.capacity, w.providers,
             case when w.id in (select id from dead) then 'dead'
               when w.draining or w.drain_requested_at is not null then 'draining' else 'alive' end as state,
             (select count(*) from parley.slots s where s.worker_id = w.id) as working,
             (select count(*) from parley.chats c where c.worker_id = w.id) as owned
           from parley.workers w, t order by w.started_at, w.id`,
    values: [lease_ms, silence_ms],
  });
}

export interface DrivenChatRow {
  readonly worker_id: string;
  readonly id: string;
  readonly kind: "root" | "sub_agent";
  readonly status: Status;
  readonly model: string;
  readonly runnable_since: Date | null;
  readonly runnable_ms: number | null;
  readonly works: boolean;
  readonly queue_length: number;
}

/** What each worker drives, that which has been runnable for longest first. */
export async function readDrivenChats(sql: Reader): Promise<DrivenChatRow[]> {
  return await sql.query<DrivenChatRow>({
    name: "operator.driven",
    text: `with t as materialized (select parley.now() as now)
           select c.* from parley.workers w, t, lateral (
             select c.worker_id, c.id, c.status, c.model, c.runnable_since, c.queue_length,
               case when c.parent_chat_id is null then 'root' else 'sub_agent' end as kind,
               (extract(epoch from t.now - c.runnable_since) * 1000)::double precision as runnable_ms,
               exists (select from parley.slots s where s.chat_id = c.id) as works
             from parley.chats c where c.worker_id = w.id
             order by c.runnable_since, c.id limit $1) c`,
    values: [drivenMax],
  });
}

export interface BusyCounts {
  readonly running: number;
  readonly interrupting: number;
  readonly requires_action: number;
  readonly queued_messages: number;
  readonly oldest_ms: number | null;
}

/** Chats that have something to do: as many as that, however many rest. */
export async function readBusyCounts(sql: Reader): Promise<BusyCounts> {
  const [row] = await sql.query<BusyCounts>({
    name: "operator.busy",
    text: `select count(*) filter (where status = 'running') as running,
             count(*) filter (where status = 'interrupting') as interrupting,
             count(*) filter (where status = 'requires_action') as requires_action,
             coalesce(sum(queue_length), 0)::bigint as queued_messages,
             (extract(epoch from max(parley.now() - runnable_since) filter (where worker_id is null
               and (status <> 'requires_action' or requires_action_deadline_at <= parley.now()))) * 1000)::double precision
               as oldest_ms
           from parley.chats where runnable_since is not null and not archived`,
  });
  return row as BusyCounts;
}

export interface RestingCounts {
  readonly waiting: number;
  readonly error: number;
  readonly archived: number;
}

/** All the others. Reads every chat: not to be asked often. */
export async function readRestingCounts(sql: Reader): Promise<RestingCounts> {
  const [row] = await sql.query<RestingCounts>({
    name: "operator.resting",
    text: `select count(*) filter (where not archived and status = 'waiting') as waiting,
             count(*) filter (where not archived and status = 'error') as error,
             count(*) filter (where archived) as archived
           from parley.chats where runnable_since is null`,
  });
  return row as RestingCounts;
}

export interface FiguresRow {
  /** As the worker's version writes them. */
  readonly figures: unknown;
  readonly age_ms: number | null;
}

/** Undefined where there is no such worker. */
export async function readFigures(sql: Reader, workerId: string): Promise<FiguresRow | undefined> {
  const [row] = await sql.query<FiguresRow>({
    name: "operator.figures",
    text: `select figures, (extract(epoch from parley.now() - figures_at) * 1000)::double precision as age_ms
           from parley.workers where id = $1`,
    values: [workerId],
  });
  return row;
}

/** Asks a worker to take nothing any more; since when it is asked. Undefined where none such is alive. */
export async function requestDrain(
  tx: WriteTx,
  workerId: string,
  { lease_ms, silence_ms }: DeathRules,
): Promise<Date | undefined> {
  const [row] = await tx.query<{ drain_requested_at: Date }>({
    name: "operator.drain",
    text: `update parley.workers set drain_requested_at = coalesce(drain_requested_at, parley.now())
           where id = $1 and id not in (select d.id from parley.dead_workers($2, $3) as d (id))
           returning drain_requested_at`,
    values: [workerId, lease_ms, silence_ms],
  });
  return row?.drain_requested_at;
}

export interface LeaseRow {
  readonly runnable_ms: number | null;
  readonly address: string | null;
  readonly last_beat_at: Date | null;
  readonly beat_ms: number | null;
  readonly alive: boolean;
  readonly slot_kind: "root" | "sub_agent" | null;
  readonly slot_taken_at: Date | null;
}

/** The chat's worker and slot, as the database judges them. */
export async function readLease(
  sql: Reader,
  chatId: string,
  { lease_ms, silence_ms }: DeathRules,
): Promise<LeaseRow | undefined> {
  const [row] = await sql.query<LeaseRow>({
    name: "operator.lease",
    text: `select (extract(epoch from parley.now() - c.runnable_since) * 1000)::double precision as runnable_ms,
             w.relay_url as address, w.heartbeat_at as last_beat_at,
             (extract(epoch from parley.now() - w.heartbeat_at) * 1000)::double precision as beat_ms,
             c.worker_id is not null and not parley.worker_is_dead(c.worker_id, $2, $3) as alive,
             s.kind as slot_kind, s.taken_at as slot_taken_at
           from parley.chats c
             left join parley.workers w on w.id = c.worker_id
             left join parley.slots s on s.chat_id = c.id
           where c.id = $1`,
    values: [chatId, lease_ms, silence_ms],
  });
  return row;
}

export interface AttemptRow {
  readonly history_version: number;
  readonly generation_attempt: number;
  readonly parts: number;
  readonly written_at: Date;
}

/** Attempts whose live text is kept, the newest first. */
export async function readAttempts(sql: Reader, chatId: string): Promise<AttemptRow[]> {
  return await sql.query<AttemptRow>({
    name: "operator.attempts",
    text: `select history_version, generation_attempt, max(last_seq) as parts, max(written_at) as written_at
           from parley.episode_checkpoints where chat_id = $1
           group by history_version, generation_attempt
           order by history_version desc, generation_attempt desc limit $2`,
    values: [chatId, attemptsMax],
  });
}

export interface LedgerInfoRow {
  readonly id: string;
  readonly message_id: number;
  readonly ordinal: number;
  readonly tool_name: string;
  readonly kind: "server" | "client";
  readonly state: string;
  readonly needs_approval: boolean;
  readonly runner_id: string | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly decided_at: Date | null;
  readonly deadline_at: Date | null;
}

/** The newest calls of the chat, without what they were given and gave. */
export async function readLedgerInfo(sql: Reader, chatId: string): Promise<LedgerInfoRow[]> {
  return await sql.query<LedgerInfoRow>({
    name: "operator.ledger",
    text: `select id, message_id, ordinal, tool_name, kind, state, needs_approval, runner_id, created_at, started_at,
             finished_at, decided_at, deadline_at
           from parley.tool_executions where chat_id = $1 order by message_id desc, ordinal desc limit $2`,
    values: [chatId, ledgerRowsMax],
  });
}
