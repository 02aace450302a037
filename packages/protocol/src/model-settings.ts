import { z } from "zod";
import { jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";

/** How hard a model shall think, from the least on. Which of them a model knows, `GET /models` says. */
export const reasoningEfforts = [
  "none",
  "minimal",
  "low",
  "medium",
  "high",
  "xhigh",
  "max",
] as const;

export const reasoningEffortSchema = z.enum(reasoningEfforts);

const providerName = z.string().min(1).max(64);
const optionName = z.string().min(1).max(100);

/**
 * How a model is called. What is left out is the chat's, then the deployment's, then the provider's own; what a model
 * does not know of (temperature, with most that reason) is left out for it.
 */
export const modelSettingsSchema = z
  .strictObject({
    temperature: z.number().min(0).max(2).optional(),
    top_p: z.number().gt(0).max(1).optional(),
    top_k: z.int().min(1).max(10_000).optional(),
    /** Tokens of one reply, its reasoning included. */
    max_output_tokens: z.int().min(1).max(10_000_000).optional(),
    /** The reply ends before the first of these. */
    stop: z.array(z.string().min(1).max(200)).min(1).max(4).optional(),
    frequency_penalty: z.number().min(-2).max(2).optional(),
    presence_penalty: z.number().min(-2).max(2).optional(),
    seed: z.int().optional(),
    /**
     * What only one provider understands, by the name before the slash of its models, and then by the option's own name.
     * Each model is given those of its own provider; those that would reach past the call are refused.
     */
    provider_options: z.record(providerName, z.record(optionName, jsonSchema)).optional(),
  })
  .refine(
    (settings) =>
      new TextEncoder().encode(JSON.stringify(settings)).length <= limits.modelSettingsBytesMax,
    { message: `at most ${limits.modelSettingsBytesMax} bytes` },
  );

/** Models that are tried, in this order, while the provider of the one that was asked for is down. */
export const fallbackModelsSchema = z
  .array(z.string().min(1).max(200))
  .max(limits.fallbackModelsMax)
  .refine((models) => new Set(models).size === models.length, { message: "models must differ" });

export type ReasoningEffort = z.infer<typeof reasoningEffortSchema>;
export type ModelSettings = z.infer<typeof modelSettingsSchema>;
