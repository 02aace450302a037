import { z } from "zod";
import { budgetSchema } from "./budgets.ts";
import { chatSchema, clientToolSchema, labelsSchema } from "./chats.ts";
import { limits } from "./limits.ts";
import { mcpServersSchema } from "./mcp-servers.ts";
import { messageSchema, queuedMessageSchema } from "./messages.ts";
import {
  fallbackModelsSchema,
  modelSettingsSchema,
  reasoningEffortSchema,
} from "./model-settings.ts";
import { filePartSchema, textPartSchema } from "./parts.ts";
import { jsonSchema } from "./json.ts";
import { responseFormatSchema } from "./response-format.ts";

/** The bodies and answers of the REST API, all under `/api/v1`. Unknown fields are refused. */

const userPartSchema = z.discriminatedUnion("type", [
  textPartSchema
    .omit({ provider_metadata: true })
    .extend({ text: z.string().min(1) })
    .strict(),
  filePartSchema
    .omit({ provider_metadata: true, reasoning: true })
    .extend({
      media_type: filePartSchema.shape.media_type.optional(),
      data: z.base64().optional(),
    })
    .strict()
    .refine((part) => [part.data, part.url, part.file_id].filter(isGiven).length === 1, {
      message: "exactly one of data, url and file_id",
    })
    // With file_id it is the file's own: a part that was sent once may be sent again as it came back.
    .refine((part) => isGiven(part.media_type) || isGiven(part.file_id), {
      message: "media_type is needed with data and url",
    }),
]);

function isGiven(value: unknown): boolean {
  return value !== undefined;
}

/** What a user says: a string, or a list of text and file parts. Never empty. */
export const contentSchema = z.union([z.string().min(1), z.array(userPartSchema).min(1).max(100)]);

const clientId = z.string().min(1).max(limits.idempotencyKeyCharsMax);
const model = z.string().min(1).max(200);
const effort = reasoningEffortSchema;
const systemPrompt = z
  .string()
  .refine((text) => new TextEncoder().encode(text).length <= limits.systemPromptBytesMax, {
    message: `at most ${limits.systemPromptBytesMax} bytes`,
  });
const title = z.string().trim().min(1).max(limits.titleCharsMax);
const clientTools = z
  .array(clientToolSchema)
  .max(limits.clientToolsMax)
  .refine((tools) => new Set(tools.map((tool) => tool.name)).size === tools.length, {
    message: "tool names must differ",
  });

export const createChatSchema = z.strictObject({
  content: contentSchema,
  model: model.optional(),
  reasoning_effort: effort.optional(),
  model_settings: modelSettingsSchema.optional(),
  /** Default: the deployment's. */
  fallback_models: fallbackModelsSchema.optional(),
  system_prompt: systemPrompt.optional(),
  title: title.optional(),
  labels: labelsSchema.optional(),
  /** false: no sub-agents for this chat. true brings none where the deployment has none. */
  sub_agents: z.boolean().optional(),
  budget: budgetSchema.optional(),
  family_budget: budgetSchema.optional(),
  client_tools: clientTools.optional(),
  mcp_servers: mcpServersSchema.optional(),
  response_format: responseFormatSchema.optional(),
  client_id: clientId.optional(),
});

export const patchChatSchema = z
  .strictObject({
    title: title.nullable().optional(),
    labels: labelsSchema.optional(),
    pinned: z.boolean().optional(),
    archived: z.boolean().optional(),
    model: model.optional(),
    reasoning_effort: effort.nullable().optional(),
    model_settings: modelSettingsSchema.nullable().optional(),
    fallback_models: fallbackModelsSchema.nullable().optional(),
    system_prompt: systemPrompt.nullable().optional(),
    sub_agents: z.boolean().optional(),
    /** Replaces the one that is set; null takes it away. Below the deployment's own it holds, above it that one does. */
    budget: budgetSchema.nullable().optional(),
    /** The same for the chat with everything below it; only of a root. */
    family_budget: budgetSchema.nullable().optional(),
    client_tools: clientTools.optional(),
    /** All of them. One that keeps name and url and gives no secrets keeps those that it had. */
    mcp_servers: mcpServersSchema.optional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, { message: "nothing to change" });

export const forkChatSchema = z.strictObject({
  /** The last message that the new chat keeps. Absent: all of them. */
  message_id: z.int().positive().optional(),
  title: title.optional(),
  client_id: clientId.optional(),
});

export const sendMessageSchema = z.strictObject({
  content: contentSchema,
  when_busy: z.enum(["queue", "steer", "interrupt", "reject"]).optional(),
  model: model.optional(),
  reasoning_effort: effort.optional(),
  model_settings: modelSettingsSchema.optional(),
  response_format: responseFormatSchema.optional(),
  client_id: clientId.optional(),
});

export const editMessageSchema = z.strictObject({
  content: contentSchema,
  keep_queue: z.boolean().optional(),
  model: model.optional(),
  reasoning_effort: effort.optional(),
  model_settings: modelSettingsSchema.optional(),
  /** Absent: that of the message which is replaced. Null: none. */
  response_format: responseFormatSchema.nullable().optional(),
  client_id: clientId.optional(),
});

export const editQueuedSchema = z
  .strictObject({
    content: contentSchema.optional(),
    position: z.int().nonnegative().optional(),
    when_busy: z.enum(["queue", "steer"]).optional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, { message: "nothing to change" });

export const interruptSchema = z.strictObject({
  turn: z.int().positive().optional(),
  hold: z.boolean().optional(),
});

export const toolResultsSchema = z.strictObject({
  results: z
    .array(
      z.strictObject({
        tool_call_id: z.string().min(1).max(512),
        output: jsonSchema,
        is_error: z.boolean().optional(),
      }),
    )
    .min(1)
    .max(250)
    .refine((results) => new Set(results.map((r) => r.tool_call_id)).size === results.length, {
      message: "one result for each tool call",
    }),
});

export const approvalsSchema = z.strictObject({
  decisions: z
    .array(
      z.strictObject({
        tool_call_id: z.string().min(1).max(512),
        decision: z.enum(["approve", "deny"]),
        reason: z.string().max(2000).optional(),
      }),
    )
    .min(1)
    .max(250),
});

/** A number in a query string: digits and nothing else. */
const queryInt = (min: number, max: number) =>
  z
    .string()
    .regex(/^[0-9]{1,15}$/, "a whole number")
    .transform(Number)
    .pipe(z.int().min(min).max(max));
const page = (max: number) => queryInt(1, max);
const messageIdMax = Number.MAX_SAFE_INTEGER;
const flag = z.enum(["true", "false"]);

export const listChatsQuerySchema = z.strictObject({
  limit: page(limits.pageChatsMax).optional(),
  cursor: z.string().max(500).optional(),
  /** Words that the title or a user's message must contain. */
  search: z.string().min(1).max(200).optional(),
  /** `key:value`, or `key` for any value; several must all match. */
  label: z
    .union([z.string().min(1).max(400), z.array(z.string().min(1).max(400)).max(limits.labelsMax)])
    .optional(),
  archived: z.enum(["true", "false", "all"]).optional(),
  status: z.enum(["waiting", "running", "interrupting", "requires_action", "error"]).optional(),
  /** Only those that are pinned. */
  pinned: z.literal("true").optional(),
  /** The sub-agents of this chat, instead of the chats that are nobody's sub-agents. */
  parent: z.uuid().optional(),
});

export const listMessagesQuerySchema = z.strictObject({
  limit: page(limits.pageMessagesMax).optional(),
  /** Messages with smaller ids, the newest of them. */
  before: queryInt(1, messageIdMax).optional(),
  /** Messages with greater ids, the oldest of them. Not together with `before`. */
  after: queryInt(0, messageIdMax).optional(),
});

export const interruptQuerySchema = z.strictObject({
  /** Answer when what was said is committed, at most 10 s later. */
  wait: flag.optional(),
});

export const streamQuerySchema = z.strictObject({
  /** Where to go on; `Last-Event-ID`, which an EventSource that reconnects sends, wins over it. */
  cursor: z.string().max(4096).optional(),
  /** Stands for a bearer token, once. */
  ticket: z.string().max(512).optional(),
});

export const titleSchema = z.strictObject({
  /** Absent: the server makes one, in the background. */
  title: title.optional(),
});

/** The body of calls that need to be told nothing: none, or `{}`. */
export const emptySchema = z.strictObject({});

/** The one chat that was asked for, as it is and under its name, as every other answer has it. */
export const getChatAnswerSchema = chatSchema.extend({ chat: chatSchema });
export const chatAnswerSchema = z.object({ chat: chatSchema });
export const createChatAnswerSchema = z.object({
  chat: chatSchema,
  messages: z.array(messageSchema),
});
export const listChatsAnswerSchema = z.object({
  chats: z.array(chatSchema),
  next_cursor: z.string().nullable(),
});
export const listMessagesAnswerSchema = z.object({
  messages: z.array(messageSchema),
  queue: z.array(queuedMessageSchema),
  has_more: z.boolean(),
});
export const sendMessageAnswerSchema = z.object({
  chat: chatSchema,
  messages: z.array(messageSchema),
  queued: queuedMessageSchema.nullable(),
});
export const editMessageAnswerSchema = createChatAnswerSchema;
/** What was there before edits, newest first. Of each version: the message that was replaced, and what followed it. */
export const messageVersionsAnswerSchema = z.object({
  versions: z.array(z.object({ messages: z.array(messageSchema), has_more: z.boolean() })),
});
export const queueAnswerSchema = z.object({ queue: z.array(queuedMessageSchema) });
export const chatQueueAnswerSchema = z.object({
  chat: chatSchema,
  queue: z.array(queuedMessageSchema),
});
export const interruptAnswerSchema = z.object({
  chat: chatSchema,
  /** The kept partial; null where nothing had been said, or where it is not known yet (202). */
  message: messageSchema.nullable(),
});
export const toolResultsAnswerSchema = createChatAnswerSchema;
export const streamTicketAnswerSchema = z.object({
  ticket: z.string(),
  expires_at: z.iso.datetime(),
});
export const modelSchema = z.object({
  id: z.string(),
  provider: z.string(),
  name: z.string(),
  is_default: z.boolean(),
  context_window_tokens: z.int().nullable(),
  /** The most that one reply may have; null: nobody has said. */
  max_output_tokens: z.int().nullable(),
  /** What may be asked for, least first. Empty: the model does not reason. Null: nobody knows, so anything. */
  reasoning_efforts: z.array(reasoningEffortSchema).nullable(),
  /** Where nobody asks for one; null: the provider's own. */
  default_reasoning_effort: reasoningEffortSchema.nullable(),
  /** What the model takes and does; null: nobody has said, and it is tried. */
  capabilities: z.object({
    images: z.boolean().nullable(),
    files: z.boolean().nullable(),
    tools: z.boolean().nullable(),
    reasoning: z.boolean().nullable(),
  }),
  /** Models that stand in for it while its provider is down, where a chat names none. */
  fallback_models: z.array(z.string()),
  /** Names that `model_settings.provider_options` may hold for its provider. */
  provider_options: z.array(z.string()),
});
export const modelsAnswerSchema = z.object({ models: z.array(modelSchema) });

export const tokenSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().nullable(),
  expires_at: z.iso.datetime().nullable(),
  /** The token that this call was made with. */
  is_current: z.boolean(),
});
export const createTokenSchema = z.strictObject({
  name: z.string().trim().min(1).max(100),
  expires_in_seconds: z
    .int()
    .positive()
    .max(10 * 366 * 24 * 3600)
    .optional(),
});
export const createTokenAnswerSchema = z.object({
  token: tokenSchema,
  /** What goes after `Authorization: Bearer`. Shown this once, and never stored. */
  secret: z.string(),
});
export const tokensAnswerSchema = z.object({ tokens: z.array(tokenSchema) });

export type Token = z.infer<typeof tokenSchema>;
export type CreateToken = z.infer<typeof createTokenSchema>;
export type CreateTokenAnswer = z.infer<typeof createTokenAnswerSchema>;
export type TokensAnswer = z.infer<typeof tokensAnswerSchema>;
export type Content = z.infer<typeof contentSchema>;
export type CreateChat = z.infer<typeof createChatSchema>;
export type PatchChat = z.infer<typeof patchChatSchema>;
export type ForkChat = z.infer<typeof forkChatSchema>;
export type SendMessage = z.infer<typeof sendMessageSchema>;
export type EditMessage = z.infer<typeof editMessageSchema>;
export type EditQueued = z.infer<typeof editQueuedSchema>;
export type Interrupt = z.infer<typeof interruptSchema>;
export type ToolResults = z.infer<typeof toolResultsSchema>;
export type Approvals = z.infer<typeof approvalsSchema>;
export type ListChatsQuery = z.infer<typeof listChatsQuerySchema>;
export type ListMessagesQuery = z.infer<typeof listMessagesQuerySchema>;
export type GetChatAnswer = z.infer<typeof getChatAnswerSchema>;
export type ChatAnswer = z.infer<typeof chatAnswerSchema>;
export type CreateChatAnswer = z.infer<typeof createChatAnswerSchema>;
export type ListChatsAnswer = z.infer<typeof listChatsAnswerSchema>;
export type ListMessagesAnswer = z.infer<typeof listMessagesAnswerSchema>;
export type SendMessageAnswer = z.infer<typeof sendMessageAnswerSchema>;
export type EditMessageAnswer = z.infer<typeof editMessageAnswerSchema>;
export type MessageVersionsAnswer = z.infer<typeof messageVersionsAnswerSchema>;
export type QueueAnswer = z.infer<typeof queueAnswerSchema>;
export type ChatQueueAnswer = z.infer<typeof chatQueueAnswerSchema>;
export type InterruptAnswer = z.infer<typeof interruptAnswerSchema>;
export type ToolResultsAnswer = z.infer<typeof toolResultsAnswerSchema>;
export type StreamTicketAnswer = z.infer<typeof streamTicketAnswerSchema>;
export type Model = z.infer<typeof modelSchema>;
export type ModelsAnswer = z.infer<typeof modelsAnswerSchema>;
