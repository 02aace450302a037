import { z } from "zod";
import { jsonObjectSchema, jsonSchema } from "./json.ts";

/**
 * The committed pieces of a message. A message is a list of them; its meaning never depends on
 * anything outside the list.
 *
 * `provider_metadata` is opaque: what a provider wants back on the next call (signatures,
 * encrypted reasoning, item ids), keyed by provider. Clients may ignore it.
 */
const providerMetadataSchema = z.record(z.string(), jsonObjectSchema);

export const textPartSchema = z.object({
  type: z.literal("text"),
  text: z.string(),
  provider_metadata: providerMetadataSchema.optional(),
});

export const reasoningPartSchema = z.object({
  type: z.literal("reasoning"),
  text: z.string(),
  provider_metadata: providerMetadataSchema.optional(),
});

/**
 * `input` is the parsed arguments. Arguments that are no JSON are kept as `{input: null, input_text}`.
 * `partial` is set only in a preview, while the arguments are still arriving; it is never committed.
 */
export const toolCallPartSchema = z.object({
  type: z.literal("tool-call"),
  tool_call_id: z.string(),
  tool_name: z.string(),
  input: jsonSchema,
  input_text: z.string().optional(),
  partial: z.literal(true).optional(),
  provider_executed: z.boolean().optional(),
  provider_metadata: providerMetadataSchema.optional(),
});

export const toolResultPartSchema = z.object({
  type: z.literal("tool-result"),
  tool_call_id: z.string(),
  tool_name: z.string(),
  output: jsonSchema,
  is_error: z.boolean(),
  provider_executed: z.boolean().optional(),
  provider_metadata: providerMetadataSchema.optional(),
});

export const sourcePartSchema = z.object({
  type: z.literal("source"),
  source_type: z.enum(["url", "document"]),
  id: z.string(),
  url: z.string().optional(),
  title: z.string().optional(),
  media_type: z.string().optional(),
  filename: z.string().optional(),
  provider_metadata: providerMetadataSchema.optional(),
});

/** Exactly one of `data` (base64), `url` and `file_id` is set. */
export const filePartSchema = z.object({
  type: z.literal("file"),
  media_type: z.string().min(1).max(255),
  data: z.string().optional(),
  url: z.string().optional(),
  /** An uploaded file; `media_type`, `filename` and `size_bytes` are what it was when it was sent. */
  file_id: z.uuid().optional(),
  filename: z.string().max(255).optional(),
  size_bytes: z.int().nonnegative().optional(),
  /** The provider sent the file as part of its reasoning. */
  reasoning: z.literal(true).optional(),
  provider_metadata: providerMetadataSchema.optional(),
});

/** A piece that only its provider understands and wants back as it was. */
export const customPartSchema = z.object({
  type: z.literal("custom"),
  kind: z.string(),
  provider_metadata: providerMetadataSchema.optional(),
});

/**
 * What became of a reply that was asked to be JSON of some schema (`response_format`): the last part of the message that it
 * speaks of. `value` is what was found in the reply's text, null where that was no JSON; it is to be trusted only where
 * `outcome` is `valid`.
 */
export const structuredOutputPartSchema = z.object({
  type: z.literal("structured-output"),
  name: z.string().optional(),
  outcome: z.enum(["valid", "invalid"]),
  value: jsonSchema,
  /** What is wrong: where in the value, as a JSON pointer (empty: all of it), and why. */
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  /** The model has been told and answers once more: another message of this turn has the outcome that counts. */
  repairing: z.literal(true).optional(),
});

export const partSchema = z.discriminatedUnion("type", [
  textPartSchema,
  reasoningPartSchema,
  toolCallPartSchema,
  toolResultPartSchema,
  sourcePartSchema,
  filePartSchema,
  customPartSchema,
  structuredOutputPartSchema,
]);

export type TextPart = z.infer<typeof textPartSchema>;
export type ReasoningPart = z.infer<typeof reasoningPartSchema>;
export type ToolCallPart = z.infer<typeof toolCallPartSchema>;
export type ToolResultPart = z.infer<typeof toolResultPartSchema>;
export type SourcePart = z.infer<typeof sourcePartSchema>;
export type FilePart = z.infer<typeof filePartSchema>;
export type CustomPart = z.infer<typeof customPartSchema>;
export type StructuredOutputPart = z.infer<typeof structuredOutputPartSchema>;
export type Part = z.infer<typeof partSchema>;
export type ProviderMetadata = z.infer<typeof providerMetadataSchema>;
