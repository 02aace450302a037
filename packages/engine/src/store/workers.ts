import type { ChatRow } from "../domain/rows.ts";
import type { Database } from "../postgres/database.ts";
import type { ReadTx, Sql, WriteTx } from "../postgres/sql.ts";

/** What a worker tells of itself when it starts. */
export interface NewWorker {
  readonly id: string;
  /** Where other replicas reach its episodes; null where it takes no links. */
  readonly relay_url: string | null;
  readonly version: string;
  readonly capacity: number;
  /** Whose models it can call: why a chat waits is judged by it. */
  readonly providers: readonly string[];
  /** The server tools that it can run. */
  readonly tools: readonly string[];
}

/** What a beat writes. */
export interface Beat {
  readonly worker_id: string;
  readonly draining: boolean;
  /** The key of the advisory lock that the worker has proved to hold; null while it has not. */
  readonly lock_key: number | null;
  /** The worker lost a connection of its own since the last beat: its health begins anew. */
  readonly reset_health: boolean;
  readonly beat_ms: number;
  /** The worker's figures as JSON, where there are new ones. */
  readonly figures: string | null;
}

/** What a beat brings back. */
export interface BeatAnswer {
  /** Somebody wants the worker to take nothing any more. */
  readonly drain: boolean;
}

export async function registerWorker(sql: Sql, worker: NewWorker): Promise<void> {
  await sql.query({
    name: "workers.register",
    text: `insert into parley.workers (id, relay_url, version, capacity, providers, tools)
           values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing`,
    values: [
      worker.id,
      worker.relay_url,
      worker.version,
      worker.capacity,
      worker.providers,
      worker.tools,
    ],
  });
}

/** The server tools that it can run, from now on: those of MCP servers come and go. */
export async function tellTools(
  sql: Sql,
  workerId: string,
  tools: readonly string[],
): Promise<void> {
  await sql.query({
    name: "workers.tell_tools",
    text: `update parley.workers set tools = $2 where id = $1`,
    values: [workerId, tools],
  });
}

/** Undefined when the row is gone: others held this worker for dead, and removed it. */
export async function beatWorker(sql: Sql, beat: Beat): Promise<BeatAnswer | undefined> {
  const [row] = await sql.query<BeatAnswer>({
    name: "workers.beat",
    text: `with t as materialized (select parley.now() as now)
           update parley.workers w set heartbeat_at = t.now, draining = $2, lock_key = $3,
             healthy_since = case
               when $4 or w.healthy_since > t.now
                 or t.now - w.heartbeat_at > make_interval(secs => 2 * $5::double precision / 1000) then t.now
               else w.healthy_since end,
             figures = coalesce($6::jsonb, w.figures),
             figures_at = case when $6::jsonb is null then w.figures_at else t.now end
           from t where w.id = $1 returning w.drain_requested_at is not null as drain`,
    values: [
      beat.worker_id,
      beat.draining,
      beat.lock_key,
      beat.reset_health,
      beat.beat_ms,
      beat.figures,
    ],
  });
  return row;
}

/**
 * Whether another worker has lived well all the while: then a gap in one's own beats was not the database's. After a stall of
 * the database nobody's health is older than it.
 */
export async function othersAreWell(
  sql: Sql,
  workerId: string,
  leaseMs: number,
  healthyMs: number,
): Promise<boolean> {
  const [row] = await sql.query<{ found: boolean }>({
    name: "workers.others_are_well",
    text: `with t as materialized (select parley.now() as now)
           select exists (
             select from parley.workers w, t
             where w.id <> $1
               and w.heartbeat_at > t.now - make_interval(secs => $2::double precision / 1000)
               and w.healthy_since <= t.now - make_interval(secs => $3::double precision / 1000)) as found`,
    values: [workerId, leaseMs, healthyMs],
  });
  return row?.found ?? false;
}

/**
 * Whether another worker than the chat's own, which lives and takes chats, has all these tools and the chat's provider.
 * What an older version says nothing of, it is not trusted to have.
 */
export async function anotherHasTools(
  tx: ReadTx,
  chat: Pick<ChatRow, "worker_id" | "model">,
  tools: readonly string[],
  leaseMs: number,
  silenceMs: number,
): Promise<boolean> {
  const [row] = await tx.query<{ found: boolean }>({
    name: "workers.another_has_tools",
    text: `select exists (
             select from parley.workers w
             where w.id <> $1 and not w.draining and w.capacity > 0 and w.tools @> $3::text[]
               and (w.providers is null or split_part($2, '/', 1) = any (w.providers))
               and w.id not in (select parley.dead_workers($4, $5))) as found`,
    values: [chat.worker_id, chat.model, tools, leaseMs, silenceMs],
  });
  return row?.found ?? false;
}

/** A worker that is, or may be, out of action. */
export interface Suspect {
  readonly id: string;
  /** Its last beat, in microseconds since 1970: exact, so that a change of it is seen. */
  readonly beat_us: number;
  readonly dead: boolean;
  /** Its beat lies in the future of the database's clock: time alone will not tell whether it lives. */
  readonly ahead: boolean;
  /** Runnable chats name it. */
  readonly owns: boolean;
}

/** The one query of the search for dead owners. */
export async function readSuspects(
  sql: Pick<Sql, "query">,
  leaseMs: number,
  silenceMs: number,
): Promise<Suspect[]> {
  return await sql.query<Suspect>({
    name: "workers.suspects",
    text: `select w.id, (extract(epoch from w.heartbeat_at) * 1000000)::bigint as beat_us,
             d.id is not null as dead, w.heartbeat_at > parley.now() as ahead,
             exists (select from parley.chats c where c.worker_id = w.id and c.runnable_since is not null) as owns
           from parley.workers w
           left join parley.dead_workers($1, $2) as d (id) on d.id = w.id
           where d.id is not null or w.heartbeat_at > parley.now()`,
    values: [leaseMs, silenceMs],
  });
}

/** Removes the row when no chat names it any more. */
export async function removeWorker(sql: Sql, workerId: string): Promise<boolean> {
  const rows = await sql.query({
    name: "workers.remove",
    text: `delete from parley.workers w
           where id = $1 and not exists (select from parley.chats c where c.worker_id = w.id) returning id`,
    values: [workerId],
  });
  return rows.length === 1;
}

/** Removes what dead workers left behind: rows that no chat names, silent for `graceMs`. */
export async function sweepWorkers(tx: WriteTx, graceMs: number): Promise<string[]> {
  const rows = await tx.query<{ id: string }>({
    name: "workers.sweep",
    text: `delete from parley.workers w
           where heartbeat_at < parley.now() - make_interval(secs => $1::double precision / 1000)
             and not exists (select from parley.chats c where c.worker_id = w.id) returning id`,
    values: [graceMs],
  });
  return rows.map((row) => row.id);
}

/** Takes the session lock; false when another session holds it. */
export async function tryLock(sql: Sql, key: number): Promise<boolean> {
  const [row] = await sql.query<{ taken: boolean }>({
    name: "workers.lock",
    text: `select pg_try_advisory_lock($1::bigint) as taken`,
    values: [key],
  });
  return row?.taken ?? false;
}

/** Which backend answers, and whether the lock shows under it. */
export async function seeLock(sql: Sql, key: number): Promise<{ pid: number; held: boolean }> {
  const [row] = await sql.query<{ pid: number; held: boolean }>({
    name: "workers.see_lock",
    text: `select pg_backend_pid() as pid, exists (
             select from pg_locks where locktype = 'advisory' and granted and objsubid = 1
               and pid = pg_backend_pid()
               and database = (select oid from pg_database where datname = current_database())
               and classid = (($1::bigint >> 32) & 4294967295)::oid
               and objid = ($1::bigint & 4294967295)::oid) as held`,
    values: [key],
  });
  return row ?? { pid: 0, held: false };
}

/** Milliseconds until `time` by the database's clock; 0 or less once it has come. */
export async function readDelayUntil(database: Pick<Database, "one">, time: Date): Promise<number> {
  const [row] = await database.one<{ ms: number }>(
    {
      name: "workers.delay_until",
      text: `select (extract(epoch from ($1::timestamptz - parley.now())) * 1000)::double precision as ms`,
      values: [time],
    },
    { operation: "worker.delay" },
  );
  return row?.ms ?? 0;
}

/** The row as it is committed now; undefined when there is none. */
export async function readChatNow(
  database: Pick<Database, "one">,
  chatId: string,
): Promise<ChatRow | undefined> {
  const [row] = await database.one<ChatRow>(
    {
      name: "workers.chat",
      text: `select * from parley.chats where id = $1`,
      values: [chatId],
    },
    { operation: "worker.read" },
  );
  return row;
}
