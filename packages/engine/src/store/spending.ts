import type { BudgetStanding, Usage } from "@parley/protocol";
import type { SpendLimit, SpendPolicy, WorstCase } from "../domain/spending.ts";
import type { Sql, WriteTx } from "../postgres/sql.ts";

type Reader = Pick<Sql, "query">;

/** What a chat's next call may cost at most, and which rules it is held to. */
export interface Wish extends WorstCase {
  readonly policy: SpendPolicy;
}

/**
 * For `returning` of a statement that names the chat's new attempt: reserves the call's worst case, or says what has no
 * room for it. A chat that no budget applies to costs the look at its own row, its owner's and its root's.
 */
export function reservingColumn(
  { usd_micros, tokens, policy }: Wish,
  firstParameter: number,
): { readonly sql: string; readonly values: readonly unknown[] } {
  const [always, usd, worst, standing, period, unknown] = Array.from(
    { length: 6 },
    (_, at) => `$${firstParameter + at}`,
  );
  const sql = `case when ${always}::boolean or parley.has_budget(chats) then parley.reserve_spend(id, ${usd}::bigint,
    ${worst}::bigint, ${standing}::jsonb, parley.period_start(${period}), ${unknown}::boolean) end as spend`;
  const values = [
    Object.values(policy.standing).some((limit) => limit !== null),
    usd_micros,
    tokens,
    JSON.stringify(policy.standing),
    policy.ownerPeriod,
    policy.countUnknown,
  ];
  return { sql, values };
}

/** Counts a model call that leaves no message in its chat. The chat's row is written: lock it before. */
export async function chargeCall(
  tx: WriteTx,
  chatId: string,
  model: string,
  usage: Usage,
): Promise<void> {
  await tx.query({
    name: "usage_totals.charge",
    text: `select parley.charge($1, $2, $3::jsonb)`,
    values: [chatId, model, JSON.stringify(usage)],
  });
}

const standingColumns = `l.scope, case when l.usd_max is not null then jsonb_build_object('limit', l.usd_max,
    'spent', s.usd_micros, 'reserved', r.usd_micros) end as usd_micros,
  case when l.tokens_max is not null then jsonb_build_object('limit', l.tokens_max, 'spent', s.tokens,
    'reserved', r.tokens) end as tokens`;

/** How the budgets stand that a chat's calls are held to, the narrowest first. */
export async function readStandings(
  sql: Reader,
  chatId: string,
  { standing, ownerPeriod }: SpendPolicy,
): Promise<BudgetStanding[]> {
  return await sql.query<BudgetStanding>({
    name: "spending.standings",
    text: `select ${standingColumns}
           from (select parley.period_start($3) as since) p, parley.spend_limits($1, $2::jsonb) l
             cross join lateral parley.spent(l.scope, l.subject, p.since) s
             cross join lateral parley.reserved_spend(l.scope, l.subject, null) r
           order by array_position(array['chat', 'family', 'owner'], l.scope)`,
    values: [chatId, JSON.stringify(standing), ownerPeriod],
  });
}

export interface OwnerBudgetRow {
  readonly owner_id: string;
  /** Null: nothing was set for this owner. */
  readonly budget: SpendLimit | null;
  readonly standing: BudgetStanding | null;
}

/** Undefined where there is no such principal. */
export async function readOwnerBudget(
  sql: Reader,
  ownerId: string,
  { standing, ownerPeriod }: SpendPolicy,
): Promise<OwnerBudgetRow | undefined> {
  const [row] = await sql.query<OwnerBudgetRow>({
    name: "spending.owner",
    text: `select o.id as owner_id, o.budget,
             (select to_jsonb(standing) from (
               select ${standingColumns}
               from (select 'owner' as scope, o.id as subject, (b.held ->> 'usd_micros')::bigint as usd_max,
                   (b.held ->> 'tokens')::bigint as tokens_max
                 from (select coalesce(o.budget, $2::jsonb) as held) b) l
                 cross join lateral parley.spent('owner', l.subject, parley.period_start($3)) s
                 cross join lateral parley.reserved_spend('owner', l.subject, null) r
               where l.usd_max is not null or l.tokens_max is not null) standing) as standing
           from parley.principals o where o.id = $1`,
    values: [ownerId, standing.owner && JSON.stringify(standing.owner), ownerPeriod],
  });
  return row;
}

/** False where there is no such principal. */
export async function setOwnerBudget(
  tx: WriteTx,
  ownerId: string,
  budget: SpendLimit | null,
): Promise<boolean> {
  const rows = await tx.query({
    name: "principals.set_budget",
    text: `update parley.principals set budget = $2 where id = $1 returning id`,
    values: [ownerId, budget && JSON.stringify(budget)],
  });
  return rows.length > 0;
}
