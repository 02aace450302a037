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

-- What a transaction does to the rows that matter is told to the checkers as notices, which end with the transaction.
create function parley_sim.tell() returns trigger language plpgsql as $$
declare was jsonb; is_now jsonb;
begin
  if tg_op <> 'INSERT' then was := to_jsonb(old) - 'parts'; end if;
  if tg_op <> 'DELETE' then is_now := to_jsonb(new) - 'parts'; end if;
  raise notice 'parley_sim %', jsonb_build_array(tg_table_name, tg_op, was, is_now);
  return null;
end $$;
`;

/** The tables whose changes are told. */
const toldTables = ["chats", "chat_messages", "chat_queue", "tool_executions", "chat_tombstones"];

/** Triggers run in the order of their names: these last, when the rules have had their say. */
export const tellingTriggers = toldTables
  .map(
    (table) =>
      `create trigger zz_told after insert or update or delete on parley.${table} ` +
      `for each row execute function parley_sim.tell();`,
  )
  .join("\n");

export const searchPath = `set search_path = parley_sim, pg_catalog, public`;

export const noticePrefix = "parley_sim ";
