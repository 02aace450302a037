import { z } from "zod";
import { budgetStandingSchema } from "./budgets.ts";

/** What a chat's own calls have used, as it runs along with the chat. */
export const runningUsageSchema = z.object({
  /** Replies, or what was kept of them; summaries and the like count too. */
  replies: z.int(),
  /** Those of them whose price is not known: they are in no cost. */
  unpriced_replies: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_tokens: z.int(),
  /** Millionths of a US dollar. */
  cost_usd_micros: z.int(),
});

/** What model calls have used. A field that a provider did not report counts as 0. */
export const usageTotalsSchema = runningUsageSchema.extend({
  /** Part of `output_tokens`. */
  reasoning_tokens: z.int(),
  /** Part of `input_tokens`: read from the provider's cache. */
  cached_input_tokens: z.int(),
  /** Part of `input_tokens`: written into the provider's cache. */
  cache_write_input_tokens: z.int(),
});

const modelUsageSchema = usageTotalsSchema.extend({ model: z.string() });

export const usageReportSchema = z.object({
  total: usageTotalsSchema,
  /** By the name of the model. */
  models: z.array(modelUsageSchema),
});

export const usageAnswerSchema = z.object({
  /** The chat itself. */
  own: usageReportSchema,
  /** The turn that runs, or ran last: the chat itself, since its `turn_message_id`. */
  turn: usageReportSchema,
  /** The chat and everything below it. */
  family: usageReportSchema.extend({
    /** How many chats that is. */
    chats: z.int(),
  }),
  /** The budgets that the chat's calls are held to. */
  budgets: z.array(budgetStandingSchema),
});

const day = z.iso.date();

export const ownerUsageQuerySchema = z
  .strictObject({
    /** The first day, in UTC. Default: 30 days before `to`. */
    from: day.optional(),
    /** The last day, in UTC. Default: today. */
    to: day.optional(),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    message: "from comes after to",
  });

export const ownerUsageAnswerSchema = usageReportSchema.extend({
  from: day,
  to: day,
  /** Days on which something was used, oldest first. */
  days: z.array(usageReportSchema.extend({ day })),
  /** The budget of the caller, where there is one. */
  budget: budgetStandingSchema.nullable(),
});

export type RunningUsage = z.infer<typeof runningUsageSchema>;
export type UsageTotals = z.infer<typeof usageTotalsSchema>;
export type UsageReport = z.infer<typeof usageReportSchema>;
export type UsageAnswer = z.infer<typeof usageAnswerSchema>;
export type OwnerUsageQuery = z.infer<typeof ownerUsageQuerySchema>;
export type OwnerUsageAnswer = z.infer<typeof ownerUsageAnswerSchema>;
