-- Attachments: what was uploaded, its bytes, and which chats refer to it.

create table parley.files (
  id uuid primary key,
  owner_id uuid not null references parley.principals on delete cascade,
  name text not null,
  -- what the content is, not what the client called it; null while the bytes arrive
  media_type text,
  -- while the bytes arrive: what is set aside for them in the owner's total
  size_bytes bigint not null check (size_bytes >= 0),
  sha256 bytea check (octet_length(sha256) = 32),
  -- expired: the bytes are gone, and what referred to them says so
  state text not null default 'uploading' check (state in ('uploading', 'ready', 'expired')),
  created_at timestamptz not null default parley.now(),
  -- the end of the bytes; null: as long as a chat refers to them
  expires_at timestamptz,
  -- the end that no reference puts off; null: there is none
  dies_at timestamptz,
  -- when the sweep must look at it next; null: never, until something changes
  sweep_at timestamptz,
  constraint files_ready_known check (state = 'uploading' or (media_type is not null and sha256 is not null))
);

create index files_by_owner on parley.files (owner_id);
create index files_to_sweep on parley.files (sweep_at) where sweep_at is not null;

-- The bytes, in rows of a bounded size. They are not compressed: pictures and documents are already.
create table parley.file_chunks (
  file_id uuid not null references parley.files on delete cascade,
  n integer not null check (n >= 0),
  bytes bytea not null,
  primary key (file_id, n)
);
alter table parley.file_chunks alter column bytes set storage external;

-- No cascade from files: a file that a chat refers to cannot be deleted, whoever tries.
create table parley.chat_files (
  chat_id uuid not null references parley.chats on delete cascade,
  file_id uuid not null references parley.files,
  primary key (chat_id, file_id)
);
create index chat_files_by_file on parley.chat_files (file_id);

-- Whatever enters history or queue holds its files: sent, edited, promoted, forked, replayed after a summary. The file's
-- row is written first, so that a sweep which has seen it unreferenced looks again and lets it be.
create function parley.hold_files() returns trigger language plpgsql as $$
begin
  with named as (
    select distinct (part ->> 'file_id')::uuid as id
    from jsonb_array_elements(new.parts) as p (part)
    where part ->> 'type' = 'file' and part ? 'file_id'
  ), held as (
    update parley.files f
    set expires_at = case when f.state = 'expired' then f.expires_at else f.dies_at end,
        sweep_at = case when f.state = 'expired' then null else f.dies_at end
    from named
    where f.id = named.id
      and not exists (select from parley.chat_files c where c.chat_id = new.chat_id and c.file_id = f.id)
    returning f.id
  )
  insert into parley.chat_files (chat_id, file_id) select new.chat_id, id from held on conflict do nothing;
  return null;
end $$;

create trigger hold_files after insert on parley.chat_messages
  for each row when (new.role = 'user' and new.parts @? '$[*].file_id') execute function parley.hold_files();
create trigger hold_files after insert or update of parts on parley.chat_queue
  for each row when (new.parts @? '$[*].file_id') execute function parley.hold_files();

-- With the last chat that refers to it, a file ends. Its row is locked before the others are looked for: of two chats
-- that are deleted at the same time, the second one sees that the first is gone.
create function parley.release_file() returns trigger language plpgsql as $$
begin
  perform from parley.files where id = old.file_id for no key update;
  update parley.files set expires_at = least(expires_at, parley.now()), sweep_at = parley.now()
    where id = old.file_id and not exists (select from parley.chat_files where file_id = old.file_id);
  return null;
end $$;

create trigger release_file after delete on parley.chat_files
  for each row execute function parley.release_file();
