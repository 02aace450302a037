-- Who is dead. One place, so that the search for dead owners, acquisition and the API agree.

-- A session advisory lock of one bigint shows in pg_locks as two halves with objsubid 1.
create function parley.worker_lock_held(key bigint) returns boolean language sql volatile as $$
  select exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and classid = ((key >> 32) & 4294967295)::oid and objid = (key & 4294967295)::oid)
$$;

-- Dead: the beat is older than the lease; or a lock was registered, it is gone, and the beat is older than
-- `silence_ms`. pg_locks stops the lock manager for a moment, so it is read only for workers that are silent already.
create function parley.dead_workers(lease_ms double precision, silence_ms double precision)
  returns setof uuid language sql volatile as $$
  select id from parley.workers
  where case
    when heartbeat_at < parley.now() - make_interval(secs => lease_ms / 1000) then true
    when lock_key is null then false
    when heartbeat_at < parley.now() - make_interval(secs => silence_ms / 1000)
      then not parley.worker_lock_held(lock_key)
    else false
  end
$$;

-- A worker without a row is dead: rows are removed only when no chat names them.
create function parley.worker_is_dead(worker uuid, lease_ms double precision, silence_ms double precision)
  returns boolean language sql volatile as $$
  select not exists (select from parley.workers where id = worker)
    or worker in (select parley.dead_workers(lease_ms, silence_ms))
$$;
