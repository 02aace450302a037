/**
 * What one in-process session cannot show is simulated in SQL: functions and views of these names stand before
 * PostgreSQL's own in the search path. Who asks is the session that `parley_sim.pid` names. `conformance.pg.test.ts`
 * holds them to what a real server does.
 */
export const shadowSchema = `
create schema parley_sim;

-- Session advisory locks: who holds them, and that they end with their session.
create table parley_sim.advisory_locks (key bigint primary key, pid integer not null);

create function parley_sim.pg_backend_pid() returns integer language sql volatile as
  $$ select coalesce(nullif(current_setting('parley_sim.pid', true), ''), '0')::integer $$;

create function parley_sim.pg_try_advisory_lock(wanted bigint) returns boolean language plpgsql volatile as $$
begin
  insert into parley_sim.advisory_locks values (wanted, parley_sim.pg_backend_pid()) on conflict do nothing;
  return exists (select from parley_sim.advisory_locks where key = wanted and pid = parley_sim.pg_backend_pid());
end $$;

create function parley_sim.pg_advisory_unlock(wanted bigint) returns boolean language plpgsql volatile as $$
begin
  delete from parley_sim.advisory_locks where key = wanted and pid = parley_sim.pg_backend_pid();
  return found;
end $$;

create view parley_sim.pg_locks as
  select 'advisory'::text as locktype, true as granted, 1::smallint as objsubid, pid,
    (select oid from pg_catalog.pg_database where datname = current_database()) as database,
    ((key >> 32) & 4294967295)::oid as classid, (key & 4294967295)::oid as objid
  from parley_sim.advisory_locks;

-- Ids that the database makes up come in the same order in every run.
create sequence parley_sim.uuids;
create function parley_sim.gen_random_uuid() returns uuid language sql volatile as
  $$ select md5(nextval('parley_sim.uuids')::text)::uuid $$;
`;

/**
 * The columns that checkers look at, by table. What a transaction does to them is told as notices, which end with the
 * transaction; only the row as it is then, since how it was is known from the transaction before.
 */
const toldColumns: Readonly<Record<string, readonly string[]>> = {
  chats: [
    "id",
    "owner_id",
    "parent_chat_id",
    "status",
    "archived",
    "queue_length",
    "snapshot_version",
    "history_version",
    "queue_version",
    "retry_state_version",
    "metadata_version",
    "generation_attempt",
    "worker_id",
    "runner_id",
    "turn_message_id",
    "title",
    "retry_state",
    "labels",
    "pinned",
    "root_chat_id",
    "budget",
    "family_budget",
    "usage_total_tokens",
    "usage_cost_usd_micros",
  ],
  chat_messages: [
    "id",
    "chat_id",
    "revision",
    "role",
    "visibility",
    "finish_reason",
    "episode",
    "client_id",
    "is_boundary",
    "deleted",
    "tool_call_ids",
    "tool_result_ids",
    "model",
    "usage",
  ],
  chat_queue: ["id", "chat_id", "client_id", "manner"],
  tool_executions: [
    "id",
    "chat_id",
    "state",
    "needs_approval",
    "decided_by",
    "tool_name",
    "tool_call_id",
  ],
  files: ["id", "owner_id", "state", "expires_at", "dies_at", "size_bytes"],
  chat_files: ["chat_id", "file_id"],
  usage_totals: [
    "chat_id",
    "root_chat_id",
    "owner_id",
    "day",
    "model",
    "total_tokens",
    "cost_usd_micros",
  ],
  spend_reservations: [
    "chat_id",
    "root_chat_id",
    "owner_id",
    "history_version",
    "generation_attempt",
    "usd_micros",
    "tokens",
  ],
  principals: ["id", "budget"],
};

const fileIds = `jsonb_path_query_array(r.parts, '$[*].file_id')`;

/** What of a row is told in short. `said` is what checkers/said.ts makes of the same parts. */
const derived: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  chat_messages: {
    said: `(select string_agg(case p ->> 'type'
        when 'text' then 't' || md5(p ->> 'text')
        when 'reasoning' then 'r' || md5(p ->> 'text')
        when 'tool-call' then 'c' || (p ->> 'tool_call_id')
        when 'tool-result' then 'a' || (p ->> 'tool_call_id')
        else p ->> 'type' end, ' ' order by n)
      from jsonb_array_elements(r.parts) with ordinality as parts (p, n))`,
    file_ids: fileIds,
    asks: `r.response_format is not null`,
    form: `(jsonb_path_query_array(r.parts, '$[*] ? (@.type == "structured-output")') -> 0)`,
  },
  chat_queue: { file_ids: fileIds },
  tool_executions: { result: `md5(r.result::text)` },
};

/** Triggers run in the order of their names: these last, when the rules have had their say. */
export const tellingTriggers = Object.entries(toldColumns)
  .map(([table, columns]) => {
    const plain = columns.map((column) => [column, `r.${column}`] as const);
    const row = [...plain, ...Object.entries(derived[table] ?? {})]
      .map(([name, value]) => `'${name}', ${value}`)
      .join(", ");
    return `
create function parley_sim.tell_${table}() returns trigger language plpgsql as $$
declare r parley.${table};
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  raise notice 'parley_sim %', jsonb_build_array('${table}', tg_op, jsonb_build_object(${row}));
  return null;
end $$;
create trigger zz_told after insert or update or delete on parley.${table}
  for each row execute function parley_sim.tell_${table}();`;
  })
  .join("\n");

export const searchPath = `set search_path = parley_sim, pg_catalog, public`;

export const noticePrefix = "parley_sim ";
