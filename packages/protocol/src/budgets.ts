import { z } from "zod";

/** What may be spent: in US dollars, in tokens, or in both. At least one is given; null and absent mean no limit. */
export const budgetSchema = z
  .strictObject({
    /** Down to a millionth of a dollar. */
    usd: z.number().min(0).max(1_000_000_000).nullable().optional(),
    /** Of prompts and replies together. */
    tokens: z.int().min(0).nullable().optional(),
  })
  .refine(({ usd, tokens }) => (usd ?? null) !== null || (tokens ?? null) !== null, {
    message: "a budget names usd, tokens or both",
  });

/** A budget as it is shown. */
export const shownBudgetSchema = z.object({
  usd: z.number().nullable(),
  tokens: z.int().nullable(),
});

/** Whose spending a budget bounds: one chat's own calls, those of a root and all below it, those of an owner. */
export const budgetScopeSchema = z.enum(["chat", "family", "owner"]);

/** What a budget is counted in: millionths of a US dollar, or tokens. */
export const budgetUnitSchema = z.enum(["usd_micros", "tokens"]);

/** Why a model call was not made. All amounts in `unit`. */
export const budgetRefusalSchema = z.object({
  scope: budgetScopeSchema,
  unit: budgetUnitSchema,
  limit: z.int(),
  spent: z.int(),
  /** For the worst case of other calls that are in flight. */
  reserved: z.int(),
  /** The worst case of this call; null where the model's price is not known. */
  needed: z.int().nullable(),
});

const standing = z.object({ limit: z.int(), spent: z.int(), reserved: z.int() });

/** How a budget stands; null where it has no limit of that kind. */
export const budgetStandingSchema = z.object({
  scope: budgetScopeSchema,
  usd_micros: standing.nullable(),
  tokens: standing.nullable(),
});

export const setBudgetSchema = z.strictObject({
  /** null: the deployment's own holds again. */
  budget: budgetSchema.nullable(),
});

export const ownerBudgetAnswerSchema = z.object({
  owner_id: z.uuid(),
  /** What was set for this owner in place of the deployment's; null: nothing. */
  budget: shownBudgetSchema.nullable(),
  standing: budgetStandingSchema.nullable(),
});

export type Budget = z.infer<typeof budgetSchema>;
export type ShownBudget = z.infer<typeof shownBudgetSchema>;
export type BudgetScope = z.infer<typeof budgetScopeSchema>;
export type BudgetUnit = z.infer<typeof budgetUnitSchema>;
export type BudgetRefusal = z.infer<typeof budgetRefusalSchema>;
export type BudgetStanding = z.infer<typeof budgetStandingSchema>;
export type SetBudget = z.infer<typeof setBudgetSchema>;
export type OwnerBudgetAnswer = z.infer<typeof ownerBudgetAnswerSchema>;
