-- MCP servers that a chat brings along, and what people are to know of the chat's surroundings. The row holds what may be
-- shown; headers, tokens and whole addresses stand sealed in a table of their own, which only a step of such a chat reads.
alter table parley.chats
  add column mcp_servers jsonb not null default '[]' check (jsonb_typeof(mcp_servers) = 'array'),
  -- counts changes, those of secrets included, so that a worker knows whether what it has read is current
  add column mcp_revision integer not null default 0,
  add column notices jsonb not null default '[]' check (jsonb_typeof(notices) = 'array');

create table parley.chat_mcp_servers (
  chat_id uuid primary key references parley.chats on delete cascade,
  revision integer not null,
  sealed bytea not null
);

-- Metadata like the rest of it. Fires only for statements that name one of the columns, and after `keep_rules`, which has
-- set the count back to what it was or one more.
create function parley.chats_count_surroundings() returns trigger language plpgsql as $$
begin
  if (new.mcp_servers, new.mcp_revision, new.notices) is distinct from (old.mcp_servers, old.mcp_revision, old.notices)
  then
    new.metadata_version := old.metadata_version + 1;
    new.updated_at := parley.now();
    new.changed_xid := pg_current_xact_id();
  end if;
  return new;
end $$;

create trigger keep_rules_of_surroundings before update of mcp_servers, mcp_revision, notices on parley.chats
  for each row execute function parley.chats_count_surroundings();
