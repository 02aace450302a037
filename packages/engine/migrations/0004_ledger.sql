-- The ledger's waiting calls, and rules of the queue that came with idempotent sending.

-- How long the call may wait for its client or its decision, from the moment the chat waits; null: the default.
alter table parley.tool_executions
  add column deadline_ms double precision check (deadline_ms > 0);

-- A client id names one message of its chat, queued or sent. Without this a promotion could fail for ever.
create unique index chat_queue_client_id on parley.chat_queue (chat_id, client_id) where client_id is not null;

-- Open calls that wait for somebody outside: client calls, and calls whose approval is undecided, in call order.
create function parley.pending_calls(chat uuid)
  returns table (message_id bigint, ordinal integer, tool_call_id text, tool_name text, input jsonb,
                 execution_id uuid, awaits text, deadline_at timestamptz)
  language sql stable as $$
  select c.message_id, c.ordinal, c.tool_call_id, c.tool_name, c.input, e.id,
    case when e.needs_approval and e.state = 'intent' then 'approval' else 'client_tool' end, e.deadline_at
  from parley.open_tool_calls(chat) c
  join parley.tool_executions e
    on e.chat_id = chat and e.message_id = c.message_id and e.tool_call_id = c.tool_call_id
  where (e.needs_approval and e.state = 'intent') or (e.kind = 'client' and e.state in ('intent', 'approved'))
  order by c.ordinal
$$;
