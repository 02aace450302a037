-- The rules of section 3 that are kept by triggers, so that no code path can break them.

create function parley.chats_keep_rules() returns trigger language plpgsql as $$
declare
  runnable boolean := not new.archived and new.status in ('running', 'interrupting', 'requires_action');
begin
  if new.id <> old.id or new.owner_id <> old.owner_id then
    raise exception 'chat %: id and owner never change', old.id using errcode = 'check_violation';
  end if;
  if new.snapshot_version not in (old.snapshot_version, old.snapshot_version + 1) then
    raise exception 'chat %: snapshot_version moves by one, not from % to %',
      old.id, old.snapshot_version, new.snapshot_version using errcode = 'check_violation';
  end if;
  if new.history_version <> old.history_version then
    if new.history_version <> new.snapshot_version then
      raise exception 'chat %: history_version moves only to the snapshot', old.id using errcode = 'check_violation';
    end if;
    new.generation_attempt := 0;
    new.takeovers := 0;
  end if;
  -- Depth 1 is a statement of the application's; the queue's own trigger comes at depth 2.
  if (new.queue_version, new.queue_length) is distinct from (old.queue_version, old.queue_length)
    and (pg_trigger_depth() < 2 or new.queue_version <> new.snapshot_version)
  then
    raise exception 'chat %: queue_version and queue_length follow the queue', old.id using errcode = 'check_violation';
  end if;
  if new.generation_attempt <> old.generation_attempt then
    new.retry_state := null;
  end if;
  if new.retry_state is distinct from old.retry_state then
    new.retry_state_version := new.snapshot_version;
  elsif new.retry_state_version <> old.retry_state_version then
    raise exception 'chat %: retry_state_version follows retry_state', old.id using errcode = 'check_violation';
  end if;

  new.metadata_version := old.metadata_version;
  if (new.title, new.labels, new.pinned, new.model, new.reasoning_effort, new.system_prompt, new.client_tools,
      new.parent_chat_id, new.root_chat_id)
     is distinct from
     (old.title, old.labels, old.pinned, old.model, old.reasoning_effort, old.system_prompt, old.client_tools,
      old.parent_chat_id, old.root_chat_id)
  then
    new.metadata_version := old.metadata_version + 1;
  end if;

  if not runnable then
    new.runnable_since := null;
  elsif old.runnable_since is null or (new.worker_id is null and old.worker_id is not null) then
    new.runnable_since := parley.now();
  end if;

  if new.snapshot_version <> old.snapshot_version or new.metadata_version <> old.metadata_version then
    new.updated_at := parley.now();
    new.changed_xid := pg_current_xact_id();
  end if;
  return new;
end $$;

create trigger keep_rules before update on parley.chats
  for each row execute function parley.chats_keep_rules();

create function parley.chats_start() returns trigger language plpgsql as $$
begin
  new.runnable_since := case
    when not new.archived and new.status in ('running', 'interrupting', 'requires_action') then parley.now() end;
  return new;
end $$;

create trigger start before insert on parley.chats
  for each row execute function parley.chats_start();

-- Calls that a later message must answer: those that the provider did not run itself.
create function parley.open_calls_of(parts jsonb) returns text[] language sql immutable as $$
  select array_agg(part ->> 'tool_call_id' order by n)
  from jsonb_array_elements(parts) with ordinality as p (part, n)
  where part ->> 'type' = 'tool-call' and coalesce((part ->> 'provider_executed')::boolean, false) = false
$$;

create function parley.results_of(parts jsonb) returns text[] language sql immutable as $$
  select array_agg(part ->> 'tool_call_id' order by n)
  from jsonb_array_elements(parts) with ordinality as p (part, n)
  where part ->> 'type' = 'tool-result' and coalesce((part ->> 'provider_executed')::boolean, false) = false
$$;

create function parley.chat_messages_keep_rules() returns trigger language plpgsql as $$
declare
  snapshot bigint;
  history bigint;
  attempt integer;
begin
  if tg_op = 'DELETE' then
    if exists (select from parley.chats where id = old.chat_id) then
      raise exception 'message %: messages are deleted softly', old.id using errcode = 'check_violation';
    end if;
    return old;
  end if;
  if tg_op = 'UPDATE' then
    if new.chat_id <> old.chat_id then
      raise exception 'message %: a message cannot move to another chat', old.id using errcode = 'check_violation';
    end if;
    new.revision := old.revision;
    new.tool_call_ids := old.tool_call_ids;
    new.tool_result_ids := old.tool_result_ids;
    if new is not distinct from old then
      return null;
    end if;
  end if;
  if tg_op = 'INSERT' or (new.parts, new.role) is distinct from (old.parts, old.role) then
    new.tool_call_ids := case when new.role = 'assistant' then parley.open_calls_of(new.parts) end;
    new.tool_result_ids := case when new.role in ('assistant', 'tool') then parley.results_of(new.parts) end;
  end if;
  select snapshot_version, history_version, generation_attempt into snapshot, history, attempt
    from parley.chats where id = new.chat_id;
  if history <> snapshot or attempt <> 0 then
    update parley.chats
      set history_version = snapshot_version, generation_attempt = 0, last_message_at = parley.now()
      where id = new.chat_id;
  end if;
  new.revision := coalesce(snapshot, 0);
  return new;
end $$;

create trigger keep_rules before insert or update or delete on parley.chat_messages
  for each row execute function parley.chat_messages_keep_rules();

create function parley.chat_queue_keep_rules() returns trigger language plpgsql as $$
begin
  if new.chat_id <> old.chat_id then
    raise exception 'queued message %: cannot move to another chat', old.id using errcode = 'check_violation';
  end if;
  if new is not distinct from old then
    return null;
  end if;
  return new;
end $$;

create trigger keep_rules before update on parley.chat_queue
  for each row execute function parley.chat_queue_keep_rules();

create function parley.chat_queue_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    update parley.chats set queue_version = snapshot_version, queue_length = queue_length + 1 where id = new.chat_id;
  elsif tg_op = 'DELETE' then
    update parley.chats set queue_version = snapshot_version, queue_length = queue_length - 1 where id = old.chat_id;
  else
    update parley.chats set queue_version = snapshot_version where id = new.chat_id;
  end if;
  return null;
end $$;

create trigger changed after insert or update or delete on parley.chat_queue
  for each row execute function parley.chat_queue_changed();

-- A worker's row is removed only when no chat names it.
create function parley.workers_keep_rules() returns trigger language plpgsql as $$
begin
  if exists (select from parley.chats where worker_id = old.id) then
    raise exception 'worker %: chats still name it', old.id using errcode = 'check_violation';
  end if;
  return old;
end $$;

create trigger keep_rules before delete on parley.workers
  for each row execute function parley.workers_keep_rules();

-- The calls in active history that have no result yet, in call order. Only the newest message with calls can have any:
-- every call is answered before the next model call and before the next user message.
create function parley.open_tool_calls(chat uuid)
  returns table (message_id bigint, ordinal integer, tool_call_id text, tool_name text, input jsonb)
  language sql stable as $$
  with caller as (
    select id, parts from parley.chat_messages
    where chat_id = chat and tool_call_ids is not null and not deleted
    order by id desc limit 1
  ), calls as (
    select caller.id, (row_number() over (order by n) - 1)::integer as ordinal, part
    from caller, jsonb_array_elements(caller.parts) with ordinality as p (part, n)
    where part ->> 'type' = 'tool-call' and coalesce((part ->> 'provider_executed')::boolean, false) = false
  ), answered as (
    select unnest(m.tool_result_ids) as call_id
    from parley.chat_messages m, caller
    where m.chat_id = chat and m.id >= caller.id and not m.deleted and m.tool_result_ids is not null
  )
  select calls.id, calls.ordinal, part ->> 'tool_call_id', part ->> 'tool_name', part -> 'input'
  from calls
  where part ->> 'tool_call_id' not in (select call_id from answered)
  order by calls.ordinal
$$;
