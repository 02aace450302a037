-- Slots and admission (docs/spec.md, section 5): which chats have a step in flight, and whether one more may.

-- One row for each chat with a model call or working tools in flight. Rows come and go with every turn: vacuumed by
-- count, so that reading them all stays cheap.
create table parley.slots (
  chat_id uuid primary key references parley.chats on delete cascade,
  worker_id uuid not null,
  runner_id uuid not null,
  owner_id uuid not null,
  kind text not null check (kind in ('root', 'sub_agent')),
  taken_at timestamptz not null default parley.now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Taken with the ownership of a running chat, by whatever statement gives it; given back when the chat only waits, is
-- stopped, ends its turn or loses its runner; taken again, over every limit, when it resumes.
create function parley.chats_keep_slot() returns trigger language plpgsql as $$
begin
  if new.runner_id is null or new.status <> 'running' then
    delete from parley.slots where chat_id = new.id;
  else
    insert into parley.slots (chat_id, worker_id, runner_id, owner_id, kind)
      values (new.id, new.worker_id, new.runner_id, new.owner_id,
        case when new.parent_chat_id is null then 'root' else 'sub_agent' end)
      on conflict (chat_id) do update
        set worker_id = excluded.worker_id, runner_id = excluded.runner_id, taken_at = excluded.taken_at;
  end if;
  return null;
end $$;

create trigger keep_slot after update on parley.chats
  for each row when (
    (old.runner_id, old.status) is distinct from (new.runner_id, new.status)
    and ((old.runner_id is not null and old.status = 'running') or (new.runner_id is not null and new.status = 'running')))
  execute function parley.chats_keep_slot();

insert into parley.slots (chat_id, worker_id, runner_id, owner_id, kind)
  select id, worker_id, runner_id, owner_id, case when parent_chat_id is null then 'root' else 'sub_agent' end
  from parley.chats where runner_id is not null and status = 'running';

-- Chats that nobody has taken, by owner: the turn over owners starts here, however many chats one of them has.
create index chats_waiting on parley.chats (owner_id, runnable_since)
  where runnable_since is not null and worker_id is null;

-- Providers of models that the worker has; null where it does not say (an older version): then it may have any.
alter table parley.workers add column providers text[];

-- Counting and taking a slot are one thing for all replicas: who holds this lock may do it until it commits. Nobody
-- waits for it, since the caller may hold rows that others want. A replica that stands still in the middle is cut off
-- soon: the rest of its transaction is a commit.
create function parley.try_admission() returns boolean language plpgsql volatile as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('parley.admission', 0)) then
    return false;
  end if;
  perform set_config('idle_in_transaction_session_timeout', '3000', true);
  return true;
end $$;

-- Whether this chat may take a slot under these limits (null: none), judged by whoever can be the only one to judge;
-- false also where another is at it. Volatile, so that it counts what was committed before it got the lock.
create function parley.has_room(chat uuid, owner uuid, slot_kind text, kind_max integer, owner_max integer,
                                lease_ms double precision, silence_ms double precision)
  returns boolean language plpgsql volatile as $$
declare
  of_kind bigint;
  of_owner bigint;
begin
  if kind_max is null and owner_max is null then
    return true;
  end if;
  if not parley.try_admission() then
    return false;
  end if;
  select count(*), count(*) filter (where s.owner_id = owner) into of_kind, of_owner
    from parley.slots s
    where s.kind = slot_kind and s.chat_id <> chat
      and s.worker_id in (select id from parley.workers)
      and s.worker_id not in (select d.id from parley.dead_workers(lease_ms, silence_ms) as d (id));
  return (kind_max is null or of_kind < kind_max) and (owner_max is null or of_owner < owner_max);
end $$;
