import { usageFields, type ModelUsage } from "../domain/usage.ts";
import type { Sql } from "../postgres/sql.ts";

type Reader = Pick<Sql, "query">;

const sums = usageFields.map((field) => `sum(t.${field})::bigint as ${field}`).join(", ");

export interface FamilyUsage extends ModelUsage {
  /** Of the chat itself, and not of one below it. */
  readonly own: boolean;
}

/**
 * What the model calls of a chat and of everything below it have used, by model. Of a root: with what was deleted below it
 * since, which was paid for like the rest.
 */
export async function readFamilyUsage(sql: Reader, chatId: string): Promise<FamilyUsage[]> {
  return await sql.query<FamilyUsage>({
    name: "usage_totals.family",
    text: `with recursive above as (
             select id, root_chat_id from parley.chats where id = $1
           ), line (id) as (
             select id from above
             union
             select c.id from parley.chats c join line on c.parent_chat_id = line.id, above
             where c.root_chat_id = above.root_chat_id
           )
           select t.model, t.chat_id = $1 as own, ${sums}
           from above, parley.usage_totals t
           where t.root_chat_id = above.root_chat_id
             and (above.root_chat_id = $1 or t.chat_id in (select id from line))
           group by 1, 2 order by 1, 2`,
    values: [chatId],
  });
}

/** What the turn that runs in a chat, or ran last, has used there, by model. */
export async function readTurnUsage(sql: Reader, chatId: string): Promise<ModelUsage[]> {
  const tokens = (field: string): string =>
    `coalesce(sum((m.usage ->> '${field}')::bigint), 0)::bigint as ${field}`;
  return await sql.query<ModelUsage>({
    name: "chat_messages.turn_usage",
    text: `select coalesce(m.model, c.model) as model, count(*)::integer as replies,
             (count(*) filter (where m.usage ->> 'cost_usd_micros' is null))::integer as unpriced_replies,
             ${["input_tokens", "output_tokens", "reasoning_tokens", "cached_input_tokens"].map(tokens).join(", ")},
             ${["cache_write_input_tokens", "cost_usd_micros"].map(tokens).join(", ")},
             coalesce(sum(greatest(coalesce((m.usage ->> 'total_tokens')::bigint, 0),
               coalesce((m.usage ->> 'input_tokens')::bigint, 0) + coalesce((m.usage ->> 'output_tokens')::bigint, 0))),
               0)::bigint as total_tokens
           from parley.chats c join parley.chat_messages m on m.chat_id = c.id
           where c.id = $1 and m.id > c.turn_message_id and not m.deleted
             and m.usage is not null and m.episode is not null
           group by 1 order by 1`,
    values: [chatId],
  });
}

export interface DayUsage extends ModelUsage {
  /** `2026-11-21`, in UTC. */
  readonly day: string;
}

export interface UsageSpan {
  readonly from: string;
  readonly to: string;
}

/** The days that were asked for, in UTC, with what nobody said filled in: until today, 30 days of it. */
export async function usageSpan(
  sql: Reader,
  from: string | null,
  to: string | null,
): Promise<UsageSpan> {
  const [row] = await sql.query<UsageSpan>({
    name: "usage_totals.span",
    text: `select coalesce($1::date, t.until - 29)::text as from, t.until::text as to
           from (select coalesce($2::date, (parley.now() at time zone 'UTC')::date) as until) t`,
    values: [from, to],
  });
  return row as UsageSpan;
}

/** What all chats of an owner have used, deleted ones too, by day and model, oldest first. */
export async function readOwnerUsage(
  sql: Reader,
  ownerId: string,
  { from, to }: UsageSpan,
): Promise<DayUsage[]> {
  return await sql.query<DayUsage>({
    name: "usage_totals.owner",
    text: `select t.day::text as day, t.model, ${sums} from parley.usage_totals t
           where t.owner_id = $1 and t.day between $2::date and $3::date
           group by 1, 2 order by 1, 2`,
    values: [ownerId, from, to],
  });
}
