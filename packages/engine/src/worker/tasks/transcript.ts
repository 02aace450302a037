import type { ModelSettings } from "@parley/protocol";
import type { ChatRow, MessageRow, TrackedCall } from "../../domain/rows.ts";
import type { ReadTx } from "../../postgres/sql.ts";
import { readTrackedCalls } from "../../store/executions.ts";
import { settingsOver } from "../../domain/model-settings.ts";
import { carriedInto } from "../compaction/mark.ts";
import { carryPrompt } from "./prompt.ts";
import { readContext, readUsedCallIds } from "../../store/messages.ts";

/** The history as a model may see it, at one history version: what the next step is decided from and made of. */
export interface Transcript {
  readonly history_version: number;
  /** From the newest boundary on, oldest first. */
  readonly context: readonly MessageRow[];
  /** Calls without a result, in call order. */
  readonly calls: readonly TrackedCall[];
  /** Every id that a call of this chat has had. */
  readonly usedCallIds: ReadonlySet<string>;
}

/** Before the first message of a chat. */
export const emptyTranscript: Transcript = {
  history_version: 0,
  context: [],
  calls: [],
  usedCallIds: new Set(),
};

/** One round trip: the statements do not wait for each other. */
export async function readTranscript(tx: ReadTx, chat: ChatRow): Promise<Transcript> {
  const [context, calls, used] = await Promise.all([
    readContext(tx, chat.id),
    readTrackedCalls(tx, chat.id),
    readUsedCallIds(tx, chat.id),
  ]);
  return { history_version: chat.history_version, context, calls, usedCallIds: new Set(used) };
}

/**
 * The transcript after messages were committed on top of it. Only valid when nothing else has changed history since,
 * which the fence has proved under the row lock. Open calls are the caller's to bring: they depend on the ledger.
 */
export function extended(
  transcript: Transcript,
  historyVersion: number,
  messages: readonly MessageRow[],
  calls: readonly TrackedCall[],
): Transcript {
  const fresh = messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === "tool-call" ? [part.tool_call_id] : [])),
  );
  const used =
    fresh.length === 0 ? transcript.usedCallIds : new Set([...transcript.usedCallIds, ...fresh]);
  const seen = messages.filter((message) => message.visibility !== "user");
  return {
    history_version: historyVersion,
    context: grownContext(transcript.context, seen),
    calls,
    usedCallIds: used,
  };
}

/** A context begins at its newest boundary: only what is new can move that. */
function grownContext(
  before: readonly MessageRow[],
  fresh: readonly MessageRow[],
): readonly MessageRow[] {
  // A turn that ends leaves what it had: no reason to copy a long list.
  if (fresh.length === 0) return before;
  const boundary = fresh.findLastIndex((message) => message.is_boundary);
  if (boundary !== -1) return fresh.slice(boundary);
  const context = [...before, ...fresh];
  carryPrompt(before, context, fresh);
  return context;
}

/** What the turn is to be answered with. */
export interface AskedModel {
  readonly model: string;
  readonly reasoning_effort: string | null;
  readonly settings: ModelSettings;
}

/** The model, effort and settings of the turn: those of the newest user message, and the chat's where it names none. */
export function modelOf(chat: ChatRow, { context }: Pick<Transcript, "context">): AskedModel {
  const asked = context.findLast((message) => message.role === "user");
  return {
    model: asked?.model ?? chat.model,
    reasoning_effort: asked?.reasoning_effort ?? chat.reasoning_effort,
    settings: settingsOver(chat.model_settings, asked?.model_settings ?? null),
  };
}

/**
 * Steps since the last message that a user wrote: each left exactly one message. Compaction takes the messages away and
 * carries their number over.
 */
export function stepsOf({ context }: Pick<Transcript, "context">): number {
  const asked = context.findLastIndex((message) => message.role === "user");
  const since = context.slice(asked + 1);
  const here = since.filter(({ role }) => role === "assistant" || role === "tool").length;
  return carriedInto(context).steps + here;
}
