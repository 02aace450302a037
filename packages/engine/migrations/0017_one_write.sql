-- The same rules at a fraction of the price (docs/decisions/0031-a-row-is-locked-and-written-once.md). The server reads the
-- text of every CHECK, and of every WHEN of a trigger, anew for each statement that writes the table; the functions of
-- triggers it keeps prepared. So what the two tables that every turn writes demand of their rows stands in one function each, which
-- names what is broken as the constraint did. And a message moves its chat in one statement, whatever it moves.

alter table parley.chats
  drop constraint chats_attempt_models_check, drop constraint chats_budget_check,
  drop constraint chats_client_tools_check, drop constraint chats_compact_only_requested,
  drop constraint chats_deadline_only_waiting, drop constraint chats_error_cleared,
  drop constraint chats_error_explained, drop constraint chats_fallback_models_check,
  drop constraint chats_family_budget_check, drop constraint chats_family_budget_of_root,
  drop constraint chats_generation_attempt_check, drop constraint chats_hold_only_interrupting,
  drop constraint chats_labels_check, drop constraint chats_mcp_servers_check,
  drop constraint chats_model_settings_check, drop constraint chats_notices_check,
  drop constraint chats_owned_whole, drop constraint chats_queue_length_check,
  drop constraint chats_snapshot_version_check, drop constraint chats_status_check,
  drop constraint chats_takeovers_check, drop constraint chats_versions_within_snapshot;

drop trigger start on parley.chats;
drop trigger keep_rules on parley.chats;
drop trigger keep_rules_of_models on parley.chats;
drop trigger keep_rules_of_spending on parley.chats;
drop trigger keep_rules_of_surroundings on parley.chats;
drop trigger keep_slot on parley.chats;
drop trigger drop_reservation on parley.chats;
drop function parley.chats_start();
drop function parley.chats_keep_model_rules();
drop function parley.chats_keep_spending_rules();
drop function parley.chats_count_surroundings();
drop function parley.chats_keep_slot();
drop function parley.chats_drop_reservation();

-- Refuses a row as a constraint of that name would.
create function parley.refuse(subject text, rule text) returns void language plpgsql as $$
begin
  raise exception '% violates %', subject, rule using errcode = 'check_violation', constraint = rule;
end $$;

create or replace function parley.chats_keep_rules() returns trigger language plpgsql as $$
declare
  runnable boolean := not new.archived and new.status in ('running', 'interrupting', 'requires_action');
  broken text := case
    when new.status not in ('waiting', 'running', 'interrupting', 'requires_action', 'error') then 'chats_status_check'
    when (new.worker_id is null) <> (new.runner_id is null) then 'chats_owned_whole'
    when new.status = 'error' and new.last_error is null then 'chats_error_explained'
    when new.status <> 'error' and new.last_error is not null then 'chats_error_cleared'
    when new.requires_action_deadline_at is not null and new.status <> 'requires_action'
      then 'chats_deadline_only_waiting'
    when new.hold and new.status <> 'interrupting' then 'chats_hold_only_interrupting'
    when new.compact_only and new.compaction_requested_at is null then 'chats_compact_only_requested'
    when new.snapshot_version < 1 then 'chats_snapshot_version_check'
    when new.history_version > new.snapshot_version or new.queue_version > new.snapshot_version
      or new.retry_state_version > new.snapshot_version then 'chats_versions_within_snapshot'
    when new.queue_length < 0 then 'chats_queue_length_check'
    when new.generation_attempt < 0 then 'chats_generation_attempt_check'
    when new.takeovers < 0 then 'chats_takeovers_check'
    when jsonb_typeof(new.attempt_models) <> 'object' then 'chats_attempt_models_check'
  end;
begin
  if broken is not null then
    perform parley.refuse('chat ' || new.id, broken);
  end if;
  if tg_op = 'INSERT' then
    new.runnable_since := case when runnable then parley.now() end;
    return new;
  end if;

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
    new.attempt_models := null;
  end if;
  -- Depth 1 is a statement of the application's; the queue's own trigger comes at depth 2.
  if (new.queue_version <> old.queue_version or new.queue_length <> old.queue_length)
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

  if not runnable then
    new.runnable_since := null;
  elsif old.runnable_since is null or (new.worker_id is null and old.worker_id is not null) then
    new.runnable_since := parley.now();
  end if;
  if new.status = 'running'
    and (old.status <> 'running' or new.turn_message_id is distinct from old.turn_message_id)
  then
    new.running_since := parley.now();
  end if;

  -- What a chat has used is metadata, too; what else is, the next trigger counts.
  new.metadata_version := old.metadata_version + case when new.usage_replies <> old.usage_replies then 1 else 0 end;
  if new.snapshot_version <> old.snapshot_version or new.metadata_version <> old.metadata_version then
    new.updated_at := parley.now();
    new.changed_xid := pg_current_xact_id();
  end if;

  -- A slot is taken with the ownership of a running chat, by whatever statement gives it; given back when the chat only
  -- waits, is stopped, ends its turn or loses its runner; taken again, over every limit, when it resumes.
  if new.runner_id is distinct from old.runner_id or new.status <> old.status then
    if new.runner_id is not null and new.status = 'running' then
      insert into parley.slots (chat_id, worker_id, runner_id, owner_id, kind)
        values (new.id, new.worker_id, new.runner_id, new.owner_id,
          case when new.parent_chat_id is null then 'root' else 'sub_agent' end)
        on conflict (chat_id) do update
          set worker_id = excluded.worker_id, runner_id = excluded.runner_id, taken_at = excluded.taken_at;
    elsif old.runner_id is not null and old.status = 'running' then
      delete from parley.slots where chat_id = new.id;
    end if;
  end if;
  -- Reservations that count no more are cleared away when a turn ends, so that counting the others stays cheap.
  if old.status in ('running', 'interrupting') and new.status not in ('running', 'interrupting') then
    delete from parley.spend_reservations where chat_id = new.id;
  end if;
  return new;
end $$;

create trigger keep_rules before insert or update on parley.chats
  for each row execute function parley.chats_keep_rules();

create function parley.chats_keep_metadata_rules() returns trigger language plpgsql as $$
declare
  broken text := case
    when jsonb_typeof(new.labels) <> 'object' then 'chats_labels_check'
    when jsonb_typeof(new.client_tools) <> 'array' then 'chats_client_tools_check'
    when jsonb_typeof(new.model_settings) <> 'object' then 'chats_model_settings_check'
    when jsonb_typeof(new.fallback_models) <> 'array' then 'chats_fallback_models_check'
    when jsonb_typeof(new.mcp_servers) <> 'array' then 'chats_mcp_servers_check'
    when jsonb_typeof(new.notices) <> 'array' then 'chats_notices_check'
    when jsonb_typeof(new.budget) <> 'object' then 'chats_budget_check'
    when jsonb_typeof(new.family_budget) <> 'object' then 'chats_family_budget_check'
    when new.family_budget is not null and new.root_chat_id <> new.id then 'chats_family_budget_of_root'
  end;
begin
  if broken is not null then
    perform parley.refuse('chat ' || new.id, broken);
  end if;
  if tg_op = 'INSERT' then
    return new;
  end if;
  if (new.title, new.labels, new.pinned, new.model, new.reasoning_effort, new.system_prompt, new.client_tools,
      new.model_settings, new.fallback_models, new.mcp_servers, new.mcp_revision, new.notices, new.sub_agents,
      new.budget, new.family_budget, new.parent_chat_id, new.root_chat_id)
     is distinct from
     (old.title, old.labels, old.pinned, old.model, old.reasoning_effort, old.system_prompt, old.client_tools,
      old.model_settings, old.fallback_models, old.mcp_servers, old.mcp_revision, old.notices, old.sub_agents,
      old.budget, old.family_budget, old.parent_chat_id, old.root_chat_id)
  then
    new.metadata_version := old.metadata_version + 1;
    new.updated_at := parley.now();
    new.changed_xid := pg_current_xact_id();
  end if;
  return new;
end $$;

-- Only for statements that name one of the columns, and after `keep_rules`, which has set the version: triggers run in the
-- order of their names.
create trigger keep_rules_of_metadata before insert or update of title, labels, pinned, model, reasoning_effort,
    system_prompt, client_tools, model_settings, fallback_models, mcp_servers, mcp_revision, notices, sub_agents, budget,
    family_budget, parent_chat_id, root_chat_id
  on parley.chats for each row execute function parley.chats_keep_metadata_rules();

-- Whether any budget may apply to a chat: what a call that has none is spared the rest by.
create or replace function parley.has_budget(c parley.chats) returns boolean language plpgsql stable as $$
begin
  if c.budget is not null or c.family_budget is not null then
    return true;
  end if;
  if exists (select from parley.principals p where p.id = c.owner_id and p.budget is not null) then
    return true;
  end if;
  return c.root_chat_id <> c.id
    and exists (select from parley.chats r where r.id = c.root_chat_id and r.family_budget is not null);
end $$;

-- What one model call has used, as it is counted.
create function parley.counted(used jsonb, out input bigint, out output bigint, out total bigint, out cost bigint)
  language plpgsql immutable as $$
begin
  input := coalesce((used ->> 'input_tokens')::bigint, 0);
  output := coalesce((used ->> 'output_tokens')::bigint, 0);
  total := greatest(coalesce((used ->> 'total_tokens')::bigint, 0), input + output);
  cost := (used ->> 'cost_usd_micros')::bigint;
end $$;

-- Counts one call in the totals of its day. The chat's own are counted with its row: by `charge`, or with its message.
create function parley.count_usage(chat uuid, owner uuid, root uuid, model_name text, used jsonb)
  returns void language plpgsql as $$
declare
  c record := parley.counted(used);
begin
  insert into parley.usage_totals as t (chat_id, day, model, owner_id, root_chat_id, replies, unpriced_replies,
      input_tokens, output_tokens, reasoning_tokens, cached_input_tokens, cache_write_input_tokens, total_tokens,
      cost_usd_micros)
    values (chat, (parley.now() at time zone 'UTC')::date, model_name, owner, root, 1,
      case when c.cost is null then 1 else 0 end, c.input, c.output,
      coalesce((used ->> 'reasoning_tokens')::bigint, 0), coalesce((used ->> 'cached_input_tokens')::bigint, 0),
      coalesce((used ->> 'cache_write_input_tokens')::bigint, 0), c.total, coalesce(c.cost, 0))
    on conflict (chat_id, day, model) do update set
      replies = t.replies + 1,
      unpriced_replies = t.unpriced_replies + excluded.unpriced_replies,
      input_tokens = t.input_tokens + excluded.input_tokens,
      output_tokens = t.output_tokens + excluded.output_tokens,
      reasoning_tokens = t.reasoning_tokens + excluded.reasoning_tokens,
      cached_input_tokens = t.cached_input_tokens + excluded.cached_input_tokens,
      cache_write_input_tokens = t.cache_write_input_tokens + excluded.cache_write_input_tokens,
      total_tokens = t.total_tokens + excluded.total_tokens,
      cost_usd_micros = t.cost_usd_micros + excluded.cost_usd_micros;
end $$;

-- Counts one model call. Who makes a call that leaves no message calls this itself.
create or replace function parley.charge(chat uuid, model_name text, used jsonb) returns void language plpgsql as $$
declare
  c record := parley.counted(used);
  owner uuid;
  root uuid;
begin
  update parley.chats set
      usage_replies = usage_replies + 1,
      usage_unpriced_replies = usage_unpriced_replies + case when c.cost is null then 1 else 0 end,
      usage_input_tokens = usage_input_tokens + c.input,
      usage_output_tokens = usage_output_tokens + c.output,
      usage_total_tokens = usage_total_tokens + c.total,
      usage_cost_usd_micros = usage_cost_usd_micros + coalesce(c.cost, 0)
    where id = chat returning owner_id, root_chat_id into owner, root;
  perform parley.count_usage(chat, owner, root, model_name, used);
end $$;

-- Makes a chat hold the files that are named in parts of it. A file's row is written first, so that a sweep which has seen
-- it unreferenced looks again and lets it be.
create function parley.hold(chat uuid, parts jsonb) returns void language plpgsql as $$
begin
  with named as (
    select distinct (part ->> 'file_id')::uuid as id
    from jsonb_array_elements(parts) as p (part)
    where part ->> 'type' = 'file' and part ? 'file_id'
  ), held as (
    update parley.files f
    set expires_at = case when f.state = 'expired' then f.expires_at else f.dies_at end,
        sweep_at = case when f.state = 'expired' then null else f.dies_at end
    from named
    where f.id = named.id
      and not exists (select from parley.chat_files c where c.chat_id = chat and c.file_id = f.id)
    returning f.id
  )
  insert into parley.chat_files (chat_id, file_id) select chat, id from held on conflict do nothing;
end $$;

drop trigger hold_files on parley.chat_messages;

create or replace function parley.hold_files() returns trigger language plpgsql as $$
begin
  perform parley.hold(new.chat_id, new.parts);
  return null;
end $$;

-- Calls that a later message must answer: those that the provider did not run itself.
create or replace function parley.open_calls_of(parts jsonb) returns text[] language plpgsql immutable as $$
begin
  if not parts @? '$[*] ? (@.type == "tool-call")' then
    return null;
  end if;
  return (select array_agg(part ->> 'tool_call_id' order by n)
    from jsonb_array_elements(parts) with ordinality as p (part, n)
    where part ->> 'type' = 'tool-call' and coalesce((part ->> 'provider_executed')::boolean, false) = false);
end $$;

create or replace function parley.results_of(parts jsonb) returns text[] language plpgsql immutable as $$
begin
  if not parts @? '$[*] ? (@.type == "tool-result")' then
    return null;
  end if;
  return (select array_agg(part ->> 'tool_call_id' order by n)
    from jsonb_array_elements(parts) with ordinality as p (part, n)
    where part ->> 'type' = 'tool-result' and coalesce((part ->> 'provider_executed')::boolean, false) = false);
end $$;

alter table parley.chat_messages
  drop constraint chat_messages_parts_check, drop constraint chat_messages_role_check,
  drop constraint chat_messages_visibility_check;
drop trigger charge on parley.chat_messages;
drop function parley.chat_messages_charge();

create or replace function parley.chat_messages_keep_rules() returns trigger language plpgsql as $$
declare
  broken text;
  chat record;
  snapshot bigint;
  moves boolean;
  c record;
begin
  if tg_op = 'DELETE' then
    if exists (select from parley.chats where id = old.chat_id) then
      raise exception 'message %: messages are deleted softly', old.id using errcode = 'check_violation';
    end if;
    return old;
  end if;
  broken := case
    when jsonb_typeof(new.parts) <> 'array' then 'chat_messages_parts_check'
    when new.role not in ('system', 'user', 'assistant', 'tool') then 'chat_messages_role_check'
    when new.visibility not in ('both', 'user', 'model') then 'chat_messages_visibility_check'
  end;
  if broken is not null then
    perform parley.refuse('message ' || new.id, broken);
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
  elsif new.role = 'user' and new.parts @? '$[*].file_id' then
    perform parley.hold(new.chat_id, new.parts);
  end if;
  if tg_op = 'INSERT' or (new.parts, new.role) is distinct from (old.parts, old.role) then
    new.tool_call_ids := case when new.role = 'assistant' then parley.open_calls_of(new.parts) end;
    new.tool_result_ids := case when new.role in ('assistant', 'tool') then parley.results_of(new.parts) end;
  end if;

  select snapshot_version, history_version, generation_attempt, owner_id, root_chat_id, model into chat
    from parley.chats where id = new.chat_id;
  if not found then
    -- The foreign key says so.
    return new;
  end if;
  snapshot := chat.snapshot_version;
  -- A message that names the snapshot to come moves the chat there.
  if tg_op = 'INSERT' and new.revision = snapshot + 1 then
    snapshot := new.revision;
  end if;
  moves := chat.history_version <> snapshot or chat.generation_attempt <> 0;
  -- A message that absorbed an attempt is what a call has left here; what a fork copies names no attempt, and was paid once.
  if tg_op = 'INSERT' and new.usage is not null and new.episode is not null then
    c := parley.counted(new.usage);
    update parley.chats set
        snapshot_version = snapshot, history_version = snapshot, generation_attempt = 0,
        last_message_at = case when moves then parley.now() else last_message_at end,
        usage_replies = usage_replies + 1,
        usage_unpriced_replies = usage_unpriced_replies + case when c.cost is null then 1 else 0 end,
        usage_input_tokens = usage_input_tokens + c.input,
        usage_output_tokens = usage_output_tokens + c.output,
        usage_total_tokens = usage_total_tokens + c.total,
        usage_cost_usd_micros = usage_cost_usd_micros + coalesce(c.cost, 0)
      where id = new.chat_id;
    perform parley.count_usage(new.chat_id, chat.owner_id, chat.root_chat_id, coalesce(new.model, chat.model),
      new.usage);
  elsif moves then
    update parley.chats
      set snapshot_version = snapshot, history_version = snapshot, generation_attempt = 0,
        last_message_at = parley.now()
      where id = new.chat_id;
  end if;
  new.revision := snapshot;
  return new;
end $$;
