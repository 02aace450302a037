import { z } from "zod";
import { budgetRefusalSchema, shownBudgetSchema } from "./budgets.ts";
import { jsonObjectSchema } from "./json.ts";
import { limits } from "./limits.ts";
import { runningUsageSchema } from "./usage.ts";
import { fallbackModelsSchema, modelSettingsSchema } from "./model-settings.ts";
import { chatMcpServerSchema, chatNoticeSchema } from "./mcp-servers.ts";

export const statusSchema = z.enum([
  "waiting",
  "running",
  "interrupting",
  "requires_action",
  "error",
]);

/** Kinds of a failed model call or turn (DESIGN, section 9), and the ends that are not the model's doing. */
export const errorKindSchema = z.enum([
  "overloaded",
  "rate_limit",
  "timeout",
  "stream_silence",
  "network",
  "server",
  "auth",
  "config",
  "context_overflow",
  "content_filter",
  "quota",
  "invalid_request",
  "cancelled",
  "empty_response",
  "step_limit",
  "time_limit",
  "budget_exceeded",
  "stopped",
  "stalled",
  "crashed",
  "reconciled",
  "internal",
]);

/** Why a chat is in the state `error`: what the user is shown. */
export const chatErrorSchema = z.object({
  kind: errorKindSchema,
  message: z.string(),
  provider: z.string().optional(),
  status_code: z.int().optional(),
  retryable: z.boolean(),
  /** Of `budget_exceeded`: which budget has no room for the call. */
  budget: budgetRefusalSchema.optional(),
});

/** A failed attempt that will be retried at `retrying_at`. */
export const retryStateSchema = z.object({
  attempt: z.int(),
  delay_ms: z.number(),
  retrying_at: z.iso.datetime(),
  kind: errorKindSchema,
  message: z.string(),
  provider: z.string().optional(),
  status_code: z.int().optional(),
  /** The model that failed. */
  model: z.string().optional(),
  /** The model of the next try, where it is not the one that was asked for: it stands in, or goes on standing in. */
  next_model: z.string().optional(),
});

export const labelsSchema = z
  .record(z.string().min(1).max(limits.labelKeyCharsMax), z.string().max(limits.labelValueCharsMax))
  .refine((labels) => Object.keys(labels).length <= limits.labelsMax, {
    message: `at most ${limits.labelsMax} labels`,
  });

/** A tool that the client runs: the chat waits in `requires_action` until its result is submitted. */
export const clientToolSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,64}$/, "letters, digits, _ and - only, at most 64 characters"),
  description: z.string().max(8192).optional(),
  input_schema: jsonObjectSchema,
  /** How long the chat waits for a result, in seconds. Default 600, at most 30 days. */
  deadline_seconds: z
    .number()
    .positive()
    .max(30 * 24 * 3600)
    .optional(),
});

export const chatSchema = z.object({
  id: z.uuid(),
  status: statusSchema,
  archived: z.boolean(),
  title: z.string().nullable(),
  model: z.string(),
  reasoning_effort: z.string().nullable(),
  system_prompt: z.string().nullable(),
  labels: labelsSchema,
  pinned: z.boolean(),
  client_tools: z.array(clientToolSchema),
  model_settings: modelSettingsSchema.nullable(),
  /** Models that stand in while the provider is down; null: those of the deployment. */
  fallback_models: fallbackModelsSchema.nullable(),
  /** MCP servers that the chat brings along. */
  mcp_servers: z.array(chatMcpServerSchema),
  /** What people should know while it lasts: tool servers that are down. */
  notices: z.array(chatNoticeSchema),
  /** Whether it may start sub-agents, where the deployment allows them. */
  sub_agents: z.boolean(),
  /** For its own model calls. */
  budget: shownBudgetSchema.nullable(),
  /** Of a root: for its own calls and those of everything below it. */
  family_budget: shownBudgetSchema.nullable(),
  usage: runningUsageSchema,
  owner_id: z.uuid(),
  parent_chat_id: z.uuid().nullable(),
  root_chat_id: z.uuid(),
  snapshot_version: z.int(),
  history_version: z.int(),
  queue_version: z.int(),
  retry_state_version: z.int(),
  metadata_version: z.int(),
  generation_attempt: z.int(),
  /** The id of the user message whose turn runs, or ran last. */
  turn_message_id: z.int().nullable(),
  last_error: chatErrorSchema.nullable(),
  retry_state: retryStateSchema.nullable(),
  requires_action_deadline_at: z.iso.datetime().nullable(),
  /** When a message last entered the history, or changed in it: what lists are in the order of. */
  last_message_at: z.iso.datetime(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});

export type Status = z.infer<typeof statusSchema>;
export type ErrorKind = z.infer<typeof errorKindSchema>;
export type ChatError = z.infer<typeof chatErrorSchema>;
export type RetryState = z.infer<typeof retryStateSchema>;
export type Labels = z.infer<typeof labelsSchema>;
export type ClientTool = z.infer<typeof clientToolSchema>;
export type Chat = z.infer<typeof chatSchema>;
