import { z } from "zod";
import { jsonSchema } from "./json.ts";
import {
  customPartSchema,
  filePartSchema,
  reasoningPartSchema,
  sourcePartSchema,
  structuredOutputPartSchema,
  textPartSchema,
  toolCallPartSchema,
  toolResultPartSchema,
} from "./parts.ts";

const index = z.int().nonnegative();

/**
 * What one `message_part` event carries: a delta, the whole committed form of a part that has
 * ended (it replaces the deltas of its index), or something that is shown and never folded.
 *
 * `index` is the place of the part in the message to come, given at the part's first content.
 */
export const textDeltaSchema = z.object({ type: z.literal("text"), index, delta: z.string() });
export const reasoningDeltaSchema = z.object({
  type: z.literal("reasoning"),
  index,
  delta: z.string(),
});
export const toolCallDeltaSchema = z.object({
  type: z.literal("tool-call"),
  index,
  tool_call_id: z.string(),
  tool_name: z.string(),
  input_delta: z.string(),
});

/** A long-running tool says how far it is. */
export const toolProgressSchema = z.object({
  type: z.literal("tool-progress"),
  tool_call_id: z.string(),
  progress: jsonSchema,
});

/** The episode is full: nothing more of it is streamed. What is committed is never cut. */
export const truncatedSchema = z.object({ type: z.literal("truncated") });

export const livePartSchema = z.union([
  textDeltaSchema,
  reasoningDeltaSchema,
  toolCallDeltaSchema,
  textPartSchema.extend({ index }),
  reasoningPartSchema.extend({ index }),
  toolCallPartSchema.extend({ index }),
  toolResultPartSchema.extend({ index }),
  sourcePartSchema.extend({ index }),
  filePartSchema.extend({ index }),
  customPartSchema.extend({ index }),
  structuredOutputPartSchema.extend({ index }),
  toolProgressSchema,
  truncatedSchema,
]);

export type LivePart = z.infer<typeof livePartSchema>;
export type TextDelta = z.infer<typeof textDeltaSchema>;
export type ReasoningDelta = z.infer<typeof reasoningDeltaSchema>;
export type ToolCallDelta = z.infer<typeof toolCallDeltaSchema>;
export type ToolProgress = z.infer<typeof toolProgressSchema>;
