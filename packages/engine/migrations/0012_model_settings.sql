-- How models are called, for a chat and for single messages; which models stand in while a provider is down; since when
-- a turn runs.

alter table parley.chats
  add column model_settings jsonb check (jsonb_typeof(model_settings) = 'object'),
  -- null: those of the deployment
  add column fallback_models jsonb check (jsonb_typeof(fallback_models) = 'array'),
  -- by attempt of the current history version: the model that it calls, where that is not the one that was asked for
  add column attempt_models jsonb check (jsonb_typeof(attempt_models) = 'object'),
  -- since when the chat has been running without having waited for anybody outside
  add column running_since timestamptz;

alter table parley.chats alter column running_since set default parley.now();

alter table parley.chat_messages add column model_settings jsonb;
alter table parley.chat_queue add column model_settings jsonb;

create function parley.chats_keep_model_rules() returns trigger language plpgsql as $$
begin
  if (new.model_settings, new.fallback_models) is distinct from (old.model_settings, old.fallback_models) then
    new.metadata_version := old.metadata_version + 1;
    new.updated_at := parley.now();
    new.changed_xid := pg_current_xact_id();
  end if;
  if new.history_version <> old.history_version then
    new.attempt_models := null;
  end if;
  if new.status = 'running'
    and (old.status <> 'running' or new.turn_message_id is distinct from old.turn_message_id)
  then
    new.running_since := parley.now();
  end if;
  return new;
end $$;

-- After `keep_rules`, which sets the versions: triggers run in the order of their names.
create trigger keep_rules_of_models before update on parley.chats for each row
  when ((new.model_settings, new.fallback_models) is distinct from (old.model_settings, old.fallback_models)
    or (new.attempt_models is not null and new.history_version <> old.history_version)
    or (new.status = 'running'
      and (old.status <> 'running' or new.turn_message_id is distinct from old.turn_message_id)))
  execute function parley.chats_keep_model_rules();
