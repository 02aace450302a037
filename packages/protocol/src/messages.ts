import { z } from "zod";
import { jsonSchema } from "./json.ts";
import { modelSettingsSchema } from "./model-settings.ts";
import { partSchema } from "./parts.ts";
import { responseFormatSchema } from "./response-format.ts";

export const roleSchema = z.enum(["system", "user", "assistant", "tool"]);
export const visibilitySchema = z.enum(["both", "user", "model"]);

/** The attempt whose live parts a message absorbed. */
export const episodeNameSchema = z.object({
  history_version: z.int(),
  generation_attempt: z.int(),
});

/**
 * Tokens of one model call, and what they cost where the price was known then.
 */
export const usageSchema = z.object({
  input_tokens: z.int().optional(),
  output_tokens: z.int().optional(),
  reasoning_tokens: z.int().optional(),
  cached_input_tokens: z.int().optional(),
  cache_write_input_tokens: z.int().optional(),
  total_tokens: z.int().optional(),
  /** Millionths of a US dollar. */
  cost_usd_micros: z.int().optional(),
  /** The provider did not say: counted by the length of what was sent and said. */
  estimated: z.literal(true).optional(),
});

/**
 * Why a step ended. `interrupted` marks a kept partial, `error` the partial that a failed turn leaves.
 */
export const finishReasonSchema = z.enum([
  "stop",
  "length",
  "content_filter",
  "tool_calls",
  "pause",
  "interrupted",
  "error",
  "other",
]);

export const messageSchema = z.object({
  id: z.int(),
  chat_id: z.uuid(),
  role: roleSchema,
  visibility: visibilitySchema,
  revision: z.int(),
  parts: z.array(partSchema),
  /** What the user asked the reply to be, where he did. */
  response_format: responseFormatSchema.optional(),
  model: z.string().nullable(),
  usage: usageSchema.nullable(),
  finish_reason: finishReasonSchema.nullable(),
  /** The attempt that this message absorbed: its preview is dropped when the message is added. */
  episode: episodeNameSchema.nullable(),
  /** Context starts after this message. */
  is_boundary: z.boolean(),
  /** The message that an edit has put this one in the place of; its versions can be asked for. */
  replaces: z.int().nullable(),
  client_id: z.string().nullable(),
  created_by: z.string().nullable(),
  created_at: z.iso.datetime(),
});

export const whenQueuedSchema = z.enum(["queue", "steer", "interrupt"]);

export const queuedMessageSchema = z.object({
  id: z.int(),
  chat_id: z.uuid(),
  position: z.int(),
  when_busy: whenQueuedSchema,
  parts: z.array(partSchema),
  response_format: responseFormatSchema.optional(),
  model: z.string().nullable(),
  reasoning_effort: z.string().nullable(),
  model_settings: modelSettingsSchema.optional(),
  client_id: z.string().nullable(),
  created_by: z.string().nullable(),
  created_at: z.iso.datetime(),
});

export const pendingActionSchema = z.object({
  tool_call_id: z.string(),
  tool_name: z.string(),
  kind: z.enum(["client_tool", "approval"]),
  input: jsonSchema,
  /** Until when; then the call is answered without having run. */
  deadline_at: z.iso.datetime().nullable(),
  /** The principals who may give the result, or decide: the chat's owner. */
  may_decide: z.array(z.uuid()).optional(),
});

export type Role = z.infer<typeof roleSchema>;
export type Visibility = z.infer<typeof visibilitySchema>;
export type EpisodeName = z.infer<typeof episodeNameSchema>;
export type Usage = z.infer<typeof usageSchema>;
export type FinishReason = z.infer<typeof finishReasonSchema>;
export type Message = z.infer<typeof messageSchema>;
export type WhenQueued = z.infer<typeof whenQueuedSchema>;
export type QueuedMessage = z.infer<typeof queuedMessageSchema>;
export type PendingAction = z.infer<typeof pendingActionSchema>;
