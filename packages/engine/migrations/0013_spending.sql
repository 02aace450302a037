-- What model calls have used and cost, and what may still be spent (docs/spec.md, "Spending").
-- Money is counted in millionths of a US dollar: a price per million tokens is so many of them per token.

alter table parley.chats
  -- false: this chat starts no sub-agents, whatever the deployment allows
  add column sub_agents boolean not null default true,
  -- {"usd_micros", "tokens"}, each a number or null; of the chat's own calls, and (roots only) of the whole family's
  add column budget jsonb check (jsonb_typeof(budget) = 'object'),
  add column family_budget jsonb check (jsonb_typeof(family_budget) = 'object'),
  -- what this chat's own calls have used, running
  add column usage_replies integer not null default 0,
  add column usage_unpriced_replies integer not null default 0,
  add column usage_input_tokens bigint not null default 0,
  add column usage_output_tokens bigint not null default 0,
  add column usage_total_tokens bigint not null default 0,
  add column usage_cost_usd_micros bigint not null default 0,
  add constraint chats_family_budget_of_root check (family_budget is null or root_chat_id = id);

-- Instead of the deployment's standing budget for one owner.
alter table parley.principals add column budget jsonb check (jsonb_typeof(budget) = 'object');

-- What was paid stays paid when its chat is deleted: no reference to the chat. One row for each model that a chat has used
-- on a day (UTC), so that chats of one owner do not wait for each other here.
create table parley.usage_totals (
  chat_id uuid not null,
  day date not null,
  model text not null,
  owner_id uuid not null references parley.principals on delete cascade,
  root_chat_id uuid not null,
  replies integer not null default 0,
  unpriced_replies integer not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0,
  cached_input_tokens bigint not null default 0,
  cache_write_input_tokens bigint not null default 0,
  total_tokens bigint not null default 0,
  cost_usd_micros bigint not null default 0,
  primary key (chat_id, day, model)
) with (fillfactor = 80);

create index usage_totals_by_owner on parley.usage_totals (owner_id, day);
create index usage_totals_of_family on parley.usage_totals (root_chat_id);

-- The worst case of the call that a chat's attempt makes. It counts while the chat's row names that attempt and is at it
-- (parley.reserved_spend), so whatever moves the row on gives it back: the step's commit, an error, a new attempt.
create table parley.spend_reservations (
  chat_id uuid primary key references parley.chats on delete cascade,
  history_version bigint not null,
  generation_attempt integer not null,
  owner_id uuid not null,
  root_chat_id uuid not null,
  usd_micros bigint not null,
  tokens bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create index spend_reservations_by_owner on parley.spend_reservations (owner_id);
create index spend_reservations_of_family on parley.spend_reservations (root_chat_id);

create function parley.chats_keep_spending_rules() returns trigger language plpgsql as $$
begin
  new.metadata_version := old.metadata_version + 1;
  new.updated_at := parley.now();
  new.changed_xid := pg_current_xact_id();
  return new;
end $$;

-- After `keep_rules`, which sets the versions: triggers run in the order of their names.
create trigger keep_rules_of_spending before update on parley.chats for each row
  when ((new.sub_agents, new.budget, new.family_budget, new.usage_replies)
    is distinct from (old.sub_agents, old.budget, old.family_budget, old.usage_replies))
  execute function parley.chats_keep_spending_rules();

-- Counts one model call. Who makes a call that leaves no message calls this itself.
create function parley.charge(chat uuid, model_name text, used jsonb) returns void language plpgsql as $$
declare
  input bigint := coalesce((used ->> 'input_tokens')::bigint, 0);
  output bigint := coalesce((used ->> 'output_tokens')::bigint, 0);
  total bigint := greatest(coalesce((used ->> 'total_tokens')::bigint, 0), input + output);
  cost bigint := (used ->> 'cost_usd_micros')::bigint;
  unpriced integer := case when cost is null then 1 else 0 end;
  owner uuid;
  root uuid;
begin
  update parley.chats set
      usage_replies = usage_replies + 1,
      usage_unpriced_replies = usage_unpriced_replies + unpriced,
      usage_input_tokens = usage_input_tokens + input,
      usage_output_tokens = usage_output_tokens + output,
      usage_total_tokens = usage_total_tokens + total,
      usage_cost_usd_micros = usage_cost_usd_micros + coalesce(cost, 0)
    where id = chat returning owner_id, root_chat_id into owner, root;
  insert into parley.usage_totals as t (chat_id, day, model, owner_id, root_chat_id, replies, unpriced_replies,
      input_tokens, output_tokens, reasoning_tokens, cached_input_tokens, cache_write_input_tokens, total_tokens,
      cost_usd_micros)
    values (chat, (parley.now() at time zone 'UTC')::date, model_name, owner, root, 1, unpriced, input, output,
      coalesce((used ->> 'reasoning_tokens')::bigint, 0), coalesce((used ->> 'cached_input_tokens')::bigint, 0),
      coalesce((used ->> 'cache_write_input_tokens')::bigint, 0), total, coalesce(cost, 0))
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

create function parley.chat_messages_charge() returns trigger language plpgsql as $$
begin
  perform parley.charge(new.chat_id, coalesce(new.model, (select model from parley.chats where id = new.chat_id)),
    new.usage);
  return null;
end $$;

-- A message that absorbed an attempt is what a call has left here; what a fork copies names no attempt, and was paid once.
create trigger charge after insert on parley.chat_messages for each row
  when (new.usage is not null and new.episode is not null)
  execute function parley.chat_messages_charge();

-- The budgets that a chat's calls are held to. `standing` is the deployment's: {"chat", "family", "owner"}, each
-- {"usd_micros", "tokens"} or absent. People may go below it for a chat and a family; an owner's own takes its place.
create function parley.spend_limits(chat uuid, standing jsonb)
  returns table (scope text, subject uuid, usd_max bigint, tokens_max bigint) language sql stable as $$
  select l.scope, l.subject, l.usd_max, l.tokens_max
  from parley.chats c
    join parley.chats r on r.id = c.root_chat_id
    join parley.principals p on p.id = c.owner_id
    cross join lateral (values
      ('chat', c.id,
        least((c.budget ->> 'usd_micros')::bigint, (standing #>> '{chat,usd_micros}')::bigint),
        least((c.budget ->> 'tokens')::bigint, (standing #>> '{chat,tokens}')::bigint)),
      ('family', r.id,
        least((r.family_budget ->> 'usd_micros')::bigint, (standing #>> '{family,usd_micros}')::bigint),
        least((r.family_budget ->> 'tokens')::bigint, (standing #>> '{family,tokens}')::bigint)),
      ('owner', p.id,
        (coalesce(p.budget, standing -> 'owner') ->> 'usd_micros')::bigint,
        (coalesce(p.budget, standing -> 'owner') ->> 'tokens')::bigint)
    ) as l (scope, subject, usd_max, tokens_max)
  where c.id = chat and (l.usd_max is not null or l.tokens_max is not null)
$$;

-- The first day (UTC) whose spending counts against an owner's budget.
create function parley.period_start(period text) returns date language sql volatile as $$
  select case period
    when 'day' then (parley.now() at time zone 'UTC')::date
    when 'month' then date_trunc('month', parley.now() at time zone 'UTC')::date
    else '-infinity'::date
  end
$$;

-- What counts against a budget, of an owner since the given day. Stable: it sees what the statement that asks sees.
create function parley.spent(scope text, subject uuid, since date, out usd_micros bigint, out tokens bigint)
  language plpgsql stable as $$
begin
  case scope
    when 'chat' then
      select coalesce(sum(t.cost_usd_micros), 0), coalesce(sum(t.total_tokens), 0) into usd_micros, tokens
        from parley.usage_totals t where t.chat_id = subject;
    when 'family' then
      select coalesce(sum(t.cost_usd_micros), 0), coalesce(sum(t.total_tokens), 0) into usd_micros, tokens
        from parley.usage_totals t where t.root_chat_id = subject;
    when 'owner' then
      select coalesce(sum(t.cost_usd_micros), 0), coalesce(sum(t.total_tokens), 0) into usd_micros, tokens
        from parley.usage_totals t where t.owner_id = subject and t.day >= since;
  end case;
end $$;

-- The reservations of calls in flight that count against a budget, those of one chat left out where it is named.
create function parley.reserved_spend(scope text, subject uuid, but_chat uuid, out usd_micros bigint, out tokens bigint)
  language plpgsql stable as $$
begin
  with candidates as (
    select * from parley.spend_reservations r where scope = 'chat' and r.chat_id = subject
    union all
    select * from parley.spend_reservations r where scope = 'family' and r.root_chat_id = subject
    union all
    select * from parley.spend_reservations r where scope = 'owner' and r.owner_id = subject
  )
  select coalesce(sum(r.usd_micros), 0), coalesce(sum(r.tokens), 0) into usd_micros, tokens
    from candidates r join parley.chats c on c.id = r.chat_id
    where c.history_version = r.history_version and c.generation_attempt = r.generation_attempt
      and c.status in ('running', 'interrupting') and c.retry_state is null
      and r.chat_id is distinct from but_chat;
end $$;

-- Reserves the worst case of the call that the chat's newest attempt is going to make, or refuses. Null: no budget
-- applies. {"reserved": true}; or {"scope", "unit", "limit", "spent", "reserved", "needed"} of the first budget that has
-- no room for it, the narrowest first, with "needed" null where the price is not known and `count_unknown` is false.
-- Who asks holds each budget's lock until it commits, so that two that ask at once do not both count without the other;
-- what settles a reservation needs no lock, because counting both kinds is one statement.
create function parley.reserve_spend(chat uuid, usd bigint, tokens_needed bigint, standing jsonb, since date,
                                     count_unknown boolean)
  returns jsonb language plpgsql volatile as $$
declare
  held record;
  refused jsonb;
  applies boolean := false;
begin
  for held in
    select l.scope, l.subject from parley.spend_limits(chat, standing) l order by l.scope desc
  loop
    applies := true;
    perform pg_advisory_xact_lock(hashtextextended('parley.budget.' || held.scope || held.subject::text, 0));
  end loop;
  if not applies then
    return null;
  end if;

  select case
      when l.usd_max is not null and ((usd is null and not count_unknown)
        or s.usd_micros + r.usd_micros + coalesce(usd, 0) > l.usd_max)
      then jsonb_build_object('scope', l.scope, 'unit', 'usd_micros', 'limit', l.usd_max, 'spent', s.usd_micros,
        'reserved', r.usd_micros, 'needed', case when count_unknown then coalesce(usd, 0) else usd end)
      else jsonb_build_object('scope', l.scope, 'unit', 'tokens', 'limit', l.tokens_max, 'spent', s.tokens,
        'reserved', r.tokens, 'needed', tokens_needed)
    end into refused
  from parley.spend_limits(chat, standing) l
    cross join lateral parley.spent(l.scope, l.subject, since) s
    cross join lateral parley.reserved_spend(l.scope, l.subject, chat) r
  where (l.usd_max is not null and ((usd is null and not count_unknown)
      or s.usd_micros + r.usd_micros + coalesce(usd, 0) > l.usd_max))
    or (l.tokens_max is not null and s.tokens + r.tokens + tokens_needed > l.tokens_max)
  order by array_position(array['chat', 'family', 'owner'], l.scope)
  limit 1;
  if refused is not null then
    return refused;
  end if;

  insert into parley.spend_reservations as r (chat_id, history_version, generation_attempt, owner_id, root_chat_id,
      usd_micros, tokens)
    select c.id, c.history_version, c.generation_attempt, c.owner_id, c.root_chat_id, coalesce(usd, 0), tokens_needed
    from parley.chats c where c.id = chat
    on conflict (chat_id) do update set history_version = excluded.history_version,
      generation_attempt = excluded.generation_attempt, usd_micros = excluded.usd_micros, tokens = excluded.tokens;
  return jsonb_build_object('reserved', true);
end $$;

-- Whether any budget may apply to a chat: what a call that has none is spared the rest by.
create function parley.has_budget(c parley.chats) returns boolean language sql stable as $$
  select c.budget is not null or c.family_budget is not null
    or exists (select from parley.principals p where p.id = c.owner_id and p.budget is not null)
    or (c.root_chat_id <> c.id
      and exists (select from parley.chats r where r.id = c.root_chat_id and r.family_budget is not null))
$$;

-- Rows that count no more are cleared away when a turn ends, so that counting the others stays cheap.
create function parley.chats_drop_reservation() returns trigger language plpgsql as $$
begin
  delete from parley.spend_reservations where chat_id = new.id;
  return null;
end $$;

create trigger drop_reservation after update on parley.chats for each row
  when (old.status in ('running', 'interrupting') and new.status not in ('running', 'interrupting'))
  execute function parley.chats_drop_reservation();

-- What was used before this was counted.
insert into parley.usage_totals (chat_id, day, model, owner_id, root_chat_id, replies, unpriced_replies, input_tokens,
    output_tokens, reasoning_tokens, cached_input_tokens, total_tokens)
  select m.chat_id, (m.created_at at time zone 'UTC')::date, coalesce(m.model, c.model), c.owner_id, c.root_chat_id,
    count(*), count(*), coalesce(sum((m.usage ->> 'input_tokens')::bigint), 0),
    coalesce(sum((m.usage ->> 'output_tokens')::bigint), 0),
    coalesce(sum((m.usage ->> 'reasoning_tokens')::bigint), 0),
    coalesce(sum((m.usage ->> 'cached_input_tokens')::bigint), 0),
    coalesce(sum(greatest(coalesce((m.usage ->> 'total_tokens')::bigint, 0),
      coalesce((m.usage ->> 'input_tokens')::bigint, 0) + coalesce((m.usage ->> 'output_tokens')::bigint, 0))), 0)
  from parley.chat_messages m join parley.chats c on c.id = m.chat_id
  where m.usage is not null and m.episode is not null
  group by 1, 2, 3, 4, 5;

update parley.chats c set usage_replies = t.replies, usage_unpriced_replies = t.replies,
    usage_input_tokens = t.input_tokens, usage_output_tokens = t.output_tokens, usage_total_tokens = t.total_tokens
  from (select chat_id, sum(replies) as replies, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
      sum(total_tokens) as total_tokens
    from parley.usage_totals group by chat_id) t
  where t.chat_id = c.id;
