import { keptPartial, type EpisodeName, type Part, type ToolCallPart } from "@parley/protocol";
import { closingMessage } from "../../domain/closing.ts";
import type { NewMessage, TrackedCall } from "../../domain/rows.ts";
import type { EpisodeKey } from "../../parts/ports.ts";
import type { TaskContext } from "./context.ts";
import { episodeOf } from "../ports.ts";
import type { Said } from "../runner/memory.ts";

/**
 * What was said last at the row's history version: from this runner's own memory, which is whole; else from the part
 * buffer (another runner of this replica said it); else from the checkpoint of an owner that is gone.
 */
export async function latestSaid(ctx: TaskContext): Promise<Said | null> {
  const { row, memory, parts, checkpoints } = ctx;
  if (row.generation_attempt === 0) return null;
  const own = memory.said(row.history_version);
  if (own) return own;
  const buffered = parts.newestWithParts(row.id, row.history_version);
  if (buffered) return buffered;
  const stored = await checkpoints.read(row.id, row.history_version);
  if (stored === null) return null;
  const key = { ...episodeOf(row), generation_attempt: stored.generation_attempt };
  return { key, parts: stored.parts };
}

export function episodeName({ history_version, generation_attempt }: EpisodeKey): EpisodeName {
  return { history_version, generation_attempt };
}

/** What is committed of an interrupted reply: what had arrived, and a result for every call in it. */
export function interruptedReply(said: Said, model: string): NewMessage[] {
  const parts = withoutOrphans(keptPartial(said.parts));
  if (parts.length === 0) return [];
  const reply: NewMessage = {
    role: "assistant",
    parts,
    model,
    finish_reason: "interrupted",
    episode: episodeName(said.key),
  };
  const results = closingMessage(callsIn(parts), "interrupted");
  return results === null ? [reply] : [reply, results];
}

/** What people keep of a reply whose last attempt failed: the model never sees it, so no call may be in it. */
export function failedReply(said: Said, model: string): NewMessage[] {
  const parts = keptPartial(said.parts).filter(
    (part) => part.type !== "tool-call" && part.type !== "tool-result",
  );
  if (parts.length === 0) return [];
  return [
    {
      role: "assistant",
      visibility: "user",
      parts,
      model,
      finish_reason: "error",
      episode: episodeName(said.key),
    },
  ];
}

/** Calls that must be answered by a later message. */
export function openCallsOf(parts: readonly Part[]): ToolCallPart[] {
  return parts
    .filter((part) => part.type === "tool-call")
    .filter((part) => part.provider_executed !== true);
}

function callsIn(parts: readonly Part[]): TrackedCall[] {
  return openCallsOf(parts).map(({ tool_call_id, tool_name, input }, ordinal) => ({
    message_id: 0,
    ordinal,
    tool_call_id,
    tool_name,
    input,
    execution: null,
    expired: false,
  }));
}

/** Without calls that the provider was still running itself: it refuses a history in which one has no result. */
function withoutOrphans(parts: readonly Part[]): Part[] {
  const answered = new Set(
    parts.filter((part) => part.type === "tool-result").map((part) => part.tool_call_id),
  );
  return parts.filter(
    (part) =>
      part.type !== "tool-call" ||
      part.provider_executed !== true ||
      answered.has(part.tool_call_id),
  );
}
