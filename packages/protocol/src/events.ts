import { z } from "zod";
import { chatErrorSchema, chatSchema, retryStateSchema, statusSchema } from "./chats.ts";
import { livePartSchema } from "./live-part.ts";
import { messageSchema, pendingActionSchema, queuedMessageSchema } from "./messages.ts";
import { partSchema } from "./parts.ts";

/**
 * The events of one chat's stream. Within one sync they come in this order:
 * `history_reset`?, `message`*, `queue_update`?, `status`?, `error`?, `action_required`?, `retry`?,
 * `chat`?, `preview_reset`?; then the parts of the new episode.
 *
 * `error`, `action_required` and `retry` are not taken back by an event of their own: a `status` other than
 * `error` ends the error, a `status` other than `requires_action` ends the pending actions, and any
 * `status`, `message`, `message_part` or `preview_snapshot` ends the retry notice.
 */
export const previewResetReasonSchema = z.enum([
  "committed",
  "superseded",
  "failed",
  "interrupted",
  "edited",
  "cleared",
]);

/** Why a chat that could run does not. */
export const waitingSchema = z.object({
  reason: z.enum(["capacity", "no_worker"]),
  missing: z.string().optional(),
});

export const eventDataSchemas = {
  message: messageSchema,
  message_part: z.object({
    history_version: z.int(),
    generation_attempt: z.int(),
    seq: z.int().positive(),
    part: livePartSchema,
  }),
  preview_snapshot: z.object({
    history_version: z.int(),
    generation_attempt: z.int(),
    seq: z.int().nonnegative(),
    parts: z.array(partSchema),
  }),
  preview_reset: z.object({ reason: previewResetReasonSchema }),
  history_reset: z.object({
    /** Messages with a greater id are dropped. Absent: all are. */
    after: z.int().optional(),
    /** Older messages than those that follow exist: fetch them over REST, before `before`. */
    has_more: z.boolean(),
    before: z.int().optional(),
  }),
  queue_update: z.object({ queue: z.array(queuedMessageSchema) }),
  status: z.object({
    status: statusSchema,
    archived: z.boolean(),
    turn_message_id: z.int().nullable(),
    waiting: waitingSchema.optional(),
  }),
  error: chatErrorSchema,
  retry: retryStateSchema,
  action_required: z.object({
    actions: z.array(pendingActionSchema),
    deadline_at: z.iso.datetime().nullable(),
  }),
  chat: chatSchema,
  ready: z.object({}),
} as const;

type EventDataSchemas = typeof eventDataSchemas;
export type EventType = keyof EventDataSchemas;
export type EventData<T extends EventType> = z.infer<EventDataSchemas[T]>;

/** One event of a chat's stream. `cursor` resumes directly after it. */
export type ChatEvent = {
  [T in EventType]: { type: T; cursor?: string; data: EventData<T> };
}[EventType];

function eventOf<T extends EventType>(type: T) {
  return z.object({
    type: z.literal(type),
    cursor: z.string().optional(),
    data: eventDataSchemas[type],
  });
}

export const chatEventSchema = z.discriminatedUnion("type", [
  eventOf("message"),
  eventOf("message_part"),
  eventOf("preview_snapshot"),
  eventOf("preview_reset"),
  eventOf("history_reset"),
  eventOf("queue_update"),
  eventOf("status"),
  eventOf("error"),
  eventOf("retry"),
  eventOf("action_required"),
  eventOf("chat"),
  eventOf("ready"),
]);

export type PreviewResetReason = z.infer<typeof previewResetReasonSchema>;
export type Waiting = z.infer<typeof waitingSchema>;

/** The events of `GET /chats/watch`. `list_reset`: drop what is known, the current chats follow. */
export const watchEventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("list_reset"), cursor: z.string().optional(), data: z.object({}) }),
  z.object({ type: z.literal("chat"), cursor: z.string().optional(), data: chatSchema }),
  z.object({
    type: z.literal("chat_deleted"),
    cursor: z.string().optional(),
    data: z.object({ id: z.uuid() }),
  }),
  z.object({ type: z.literal("ready"), cursor: z.string().optional(), data: z.object({}) }),
]);

export type WatchEvent = z.infer<typeof watchEventSchema>;
