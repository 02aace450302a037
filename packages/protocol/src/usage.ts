import { z } from "zod";

/** What model calls have used. A field that a provider did not report counts as 0. */
export const usageTotalsSchema = z.object({
  /** Replies, or what was kept of them. */
  replies: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  /** Part of `output_tokens`. */
  reasoning_tokens: z.int(),
  /** Part of `input_tokens`. */
  cached_input_tokens: z.int(),
  total_tokens: z.int(),
});

export const usageReportSchema = z.object({
  total: usageTotalsSchema,
  /** By the name of the model. */
  models: z.array(usageTotalsSchema.extend({ model: z.string() })),
});

export const usageAnswerSchema = z.object({
  /** The chat itself. */
  own: usageReportSchema,
  /** The chat and everything below it. */
  family: usageReportSchema.extend({
    /** How many chats that is. */
    chats: z.int(),
  }),
});

export type UsageTotals = z.infer<typeof usageTotalsSchema>;
export type UsageReport = z.infer<typeof usageReportSchema>;
export type UsageAnswer = z.infer<typeof usageAnswerSchema>;
