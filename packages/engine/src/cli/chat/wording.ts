import type {
  ChatError,
  ChatNotice,
  FinishReason,
  Message,
  PreviewResetReason,
  QueuedMessage,
  RetryState,
} from "@parley/protocol";
import { oneLine } from "./ink.ts";

export const startedAgain = "(that reply is void: it is started again)";

export const resetTexts: Record<PreviewResetReason, string | null> = {
  committed: null,
  superseded: startedAgain,
  failed: "(that reply failed)",
  interrupted: null,
  edited: "(that reply is void: the chat was edited)",
  cleared: "(that reply is void)",
};

export function queuedLine(queued: QueuedMessage, at: number): string {
  const how = queued.when_busy === "queue" ? "" : ` [${queued.when_busy}]`;
  return `${at + 1}${how}: ${oneLine(plainText(queued))}`;
}

export function errorText(error: ChatError): string {
  if (error.kind === "stopped") return "paused, the queue is held: /retry or a message goes on";
  const where = error.provider === undefined ? "" : ` from ${error.provider}`;
  return `error${where} (${error.kind}): ${error.message}${error.retryable ? " (/retry)" : ""}`;
}

export function retryText(retry: RetryState): string {
  const { delay_ms, attempt, kind, message, model, next_model: next } = retry;
  const other = next === undefined || next === model ? "" : ` with ${next}`;
  const wait =
    delay_ms < 1_000 && other !== "" ? "now" : `in ${Math.max(1, Math.round(delay_ms / 1000))} s`;
  return `${kind}: ${oneLine(message)}; trying again${other} ${wait} (attempt ${attempt} failed)`;
}

export function noticeText({ server, problem }: ChatNotice): string {
  return `the tool server "${server}" cannot be used now (${oneLine(problem)}): the model goes on without it`;
}

export function noticeOverText({ server }: ChatNotice): string {
  return `the tool server "${server}" is no longer missing`;
}

export const finishTexts: Record<FinishReason, string | null> = {
  stop: null,
  tool_calls: null,
  pause: null,
  other: null,
  length: "(cut off: the reply reached the model's limit)",
  content_filter: "(cut off by the provider's content filter)",
  interrupted: "(stopped)",
  error: "(broken off by an error)",
};

export function plainText({ parts }: Pick<Message, "parts">): string {
  return parts
    .map((part) =>
      part.type === "text"
        ? part.text
        : `[${part.type === "file" ? (part.filename ?? "file") : part.type}]`,
    )
    .join("\n");
}

/** The tool under whose name people see a compaction. */
export const compactionTool = "compact_context";
export const compacting = "summarising the chat so far…";
