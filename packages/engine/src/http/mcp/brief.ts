import type { Chat, JsonObject, Message, Part, StructuredOutputPart } from "@parley/protocol";
import { outputText } from "../../domain/tool-output.ts";

/** A message as another agent needs it: what was said, and which tools were called. */
export function briefMessage(message: Message): JsonObject {
  const calls = message.parts.filter((part) => part.type === "tool-call");
  const structured = message.parts.findLast((part) => part.type === "structured-output");
  return {
    id: message.id,
    role: message.role,
    text: textOf(message.parts),
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map(({ tool_call_id, tool_name, input }) => ({
            tool_call_id,
            tool_name,
            input,
          })),
        }),
    ...(structured === undefined ? {} : { structured_output: outcomeOf(structured) }),
    ...(message.finish_reason === null ? {} : { finish_reason: message.finish_reason }),
    created_at: message.created_at,
  };
}

function outcomeOf({ outcome, value, errors }: StructuredOutputPart): JsonObject {
  return { outcome, value, ...(errors === undefined ? {} : { errors }) };
}

/** A chat without its settings and counters. */
export function briefChat(chat: Chat): JsonObject {
  return {
    id: chat.id,
    status: chat.status,
    title: chat.title,
    model: chat.model,
    archived: chat.archived,
    snapshot_version: chat.snapshot_version,
    ...(chat.last_error === null
      ? {}
      : { last_error: { kind: chat.last_error.kind, message: chat.last_error.message } }),
    updated_at: chat.updated_at,
  };
}

function textOf(parts: readonly Part[]): string {
  return parts.map(shown).filter(Boolean).join("\n");
}

function shown(part: Part): string {
  switch (part.type) {
    case "text":
      return part.text;
    case "tool-result":
      return outputText(part.output);
    case "file":
      return `[file ${part.filename ?? part.media_type}]`;
    case "source":
      return part.url ?? part.title ?? "";
    case "reasoning":
    case "tool-call":
    case "custom":
    // The result stands in the text, too.
    case "structured-output":
      return "";
  }
}
