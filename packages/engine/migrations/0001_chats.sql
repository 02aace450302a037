-- The data of section 3 of docs/spec.md: chats, their history and queue, the workers that drive them, and who may ask.
-- Rules that no code path may break are constraints and triggers here, not habits of the code.

-- The one source of time. Tests and the simulator replace this function to move it.
create function parley.now() returns timestamptz language sql volatile parallel safe
  as 'select clock_timestamp()';

create table parley.principals (
  id uuid primary key,
  name text not null,
  is_admin boolean not null default false,
  created_at timestamptz not null default parley.now()
);

create table parley.api_tokens (
  id uuid primary key,
  principal_id uuid not null references parley.principals on delete cascade,
  name text not null,
  -- sha-256 of the token; the token itself is shown once and never stored
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  created_at timestamptz not null default parley.now(),
  last_used_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz
);

create table parley.chats (
  id uuid primary key,
  owner_id uuid not null references parley.principals,
  parent_chat_id uuid,
  root_chat_id uuid not null,

  -- metadata: writing it moves metadata_version and no execution version
  title text,
  labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
  pinned boolean not null default false,
  model text not null,
  reasoning_effort text,
  system_prompt text,
  client_tools jsonb not null default '[]' check (jsonb_typeof(client_tools) = 'array'),

  -- execution
  status text not null check (status in ('waiting', 'running', 'interrupting', 'requires_action', 'error')),
  archived boolean not null default false,
  queue_length integer not null default 0 check (queue_length >= 0),
  snapshot_version bigint not null default 1 check (snapshot_version >= 1),
  history_version bigint not null default 1,
  queue_version bigint not null default 0,
  retry_state_version bigint not null default 0,
  metadata_version bigint not null default 1,
  generation_attempt integer not null default 0 check (generation_attempt >= 0),
  worker_id uuid,
  runner_id uuid,
  runnable_since timestamptz,
  last_error jsonb,
  retry_state jsonb,
  requires_action_deadline_at timestamptz,
  compaction_requested_at timestamptz,
  compact_only boolean not null default false,
  hold boolean not null default false,
  takeovers integer not null default 0 check (takeovers >= 0),
  turn_message_id bigint,

  created_at timestamptz not null default parley.now(),
  updated_at timestamptz not null default parley.now(),
  last_message_at timestamptz not null default parley.now(),
  -- the transaction that changed the row last: the position of the list's stream
  changed_xid xid8 not null default pg_current_xact_id(),

  constraint chats_owned_whole check ((worker_id is null) = (runner_id is null)),
  constraint chats_error_explained check (status <> 'error' or last_error is not null),
  constraint chats_error_cleared check (status = 'error' or last_error is null),
  constraint chats_deadline_only_waiting check (requires_action_deadline_at is null or status = 'requires_action'),
  constraint chats_hold_only_interrupting check (not hold or status = 'interrupting'),
  constraint chats_compact_only_requested check (not compact_only or compaction_requested_at is not null),
  constraint chats_versions_within_snapshot check (
    history_version <= snapshot_version and queue_version <= snapshot_version
    and retry_state_version <= snapshot_version)
);

create index chats_by_owner on parley.chats (owner_id, last_message_at desc, id desc);
create index chats_changed on parley.chats (owner_id, changed_xid);
create index chats_family on parley.chats (root_chat_id);
create index chats_runnable on parley.chats (runnable_since) where runnable_since is not null;
create index chats_owned on parley.chats (worker_id) where worker_id is not null;

create table parley.chat_messages (
  id bigint generated always as identity primary key,
  chat_id uuid not null references parley.chats on delete cascade,
  revision bigint not null default 0,
  role text not null check (role in ('system', 'user', 'assistant', 'tool')),
  visibility text not null default 'both' check (visibility in ('both', 'user', 'model')),
  parts jsonb not null check (jsonb_typeof(parts) = 'array'),
  parts_version smallint not null default 1,
  model text,
  reasoning_effort text,
  usage jsonb,
  finish_reason text,
  -- {"history_version", "generation_attempt"} of the attempt that this message absorbed
  episode jsonb,
  created_by uuid,
  client_id text,
  is_boundary boolean not null default false,
  deleted boolean not null default false,
  -- calls in this message that a later message must answer, and answers in it; derived from parts
  tool_call_ids text[],
  tool_result_ids text[],
  created_at timestamptz not null default parley.now()
);

create index chat_messages_history on parley.chat_messages (chat_id, id);
create index chat_messages_changed on parley.chat_messages (chat_id, revision, id);
create index chat_messages_calls on parley.chat_messages (chat_id, id) where tool_call_ids is not null;
create unique index chat_messages_client_id on parley.chat_messages (chat_id, client_id)
  where client_id is not null and not deleted;

create table parley.chat_queue (
  id bigint generated always as identity primary key,
  chat_id uuid not null references parley.chats on delete cascade,
  rank integer not null,
  manner text not null check (manner in ('queue', 'steer', 'interrupt')),
  parts jsonb not null check (jsonb_typeof(parts) = 'array'),
  model text,
  reasoning_effort text,
  created_by uuid,
  client_id text,
  created_at timestamptz not null default parley.now()
);

create index chat_queue_order on parley.chat_queue (chat_id, rank, id);

create table parley.workers (
  id uuid primary key,
  relay_url text,
  version text not null,
  capacity integer not null check (capacity >= 0),
  draining boolean not null default false,
  started_at timestamptz not null default parley.now(),
  heartbeat_at timestamptz not null default parley.now(),
  healthy_since timestamptz not null default parley.now(),
  -- key of the session advisory lock that the worker holds; null until it has proved that it keeps its backend
  lock_key bigint
);

-- Live text that outlives the replica that produced it. Unlogged: a crash of the database itself empties it.
create unlogged table parley.episode_checkpoints (
  chat_id uuid not null,
  history_version bigint not null,
  generation_attempt integer not null,
  first_seq integer not null,
  last_seq integer not null,
  -- live parts, coalesced, whose fold over all rows in order is the preview as of the last last_seq
  live_parts jsonb not null,
  written_at timestamptz not null default parley.now(),
  primary key (chat_id, history_version, generation_attempt, first_seq),
  check (first_seq >= 1 and last_seq >= first_seq)
);

-- The write-ahead ledger of tool calls: one row for each call that a model made and that Parley or a client runs.
create table parley.tool_executions (
  id uuid primary key,
  chat_id uuid not null references parley.chats on delete cascade,
  message_id bigint not null references parley.chat_messages on delete cascade,
  ordinal integer not null,
  tool_call_id text not null,
  tool_name text not null,
  kind text not null check (kind in ('server', 'client')),
  state text not null check (state in
    ('intent', 'approved', 'denied', 'started', 'finished', 'unknown', 'abandoned')),
  needs_approval boolean not null default false,
  decided_by uuid,
  decided_at timestamptz,
  decision_reason text,
  deadline_at timestamptz,
  runner_id uuid,
  started_at timestamptz,
  finished_at timestamptz,
  -- {"output", "is_error"} once finished
  result jsonb,
  created_at timestamptz not null default parley.now(),
  unique (chat_id, message_id, ordinal)
);

create index tool_executions_call on parley.tool_executions (chat_id, tool_call_id);

create table parley.idempotency_keys (
  principal_id uuid not null references parley.principals on delete cascade,
  scope text not null,
  key text not null,
  request_hash bytea not null,
  response jsonb not null,
  created_at timestamptz not null default parley.now(),
  primary key (principal_id, scope, key)
);

create index idempotency_keys_age on parley.idempotency_keys (created_at);

create table parley.chat_tombstones (
  chat_id uuid primary key,
  owner_id uuid not null,
  deleted_at timestamptz not null default parley.now(),
  changed_xid xid8 not null default pg_current_xact_id()
);

create index chat_tombstones_changed on parley.chat_tombstones (owner_id, changed_xid);

create table parley.stream_tickets (
  ticket_hash bytea primary key check (octet_length(ticket_hash) = 32),
  principal_id uuid not null references parley.principals on delete cascade,
  -- the token whose right this is: a ticket ends with it, and so does the stream that it opened
  token_id uuid not null references parley.api_tokens on delete cascade,
  -- null: the list of chats
  chat_id uuid,
  expires_at timestamptz not null
);

-- What an installation knows of itself.
create table parley.settings (
  key text primary key,
  value jsonb not null
);
