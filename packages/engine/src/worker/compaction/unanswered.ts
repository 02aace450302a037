import type { MessageRow } from "../../domain/rows.ts";
import { isRepairNote } from "../structured/repair.ts";

type Entry = Pick<MessageRow, "role" | "parts" | "finish_reason" | "is_boundary">;

/**
 * The user messages of a context that no reply has answered yet: those after the last reply that ended a turn. In the
 * middle of a turn with tools that is the message which began it, and whatever has steered it since.
 */
export function unanswered<M extends Entry>(context: readonly M[]): M[] {
  // One that was not what it should have been has not answered anything yet.
  const answered = context.findLastIndex(
    (message, at) => endsTurn(message) && !isRepairNote(context[at + 1]),
  );
  return context.slice(answered + 1).filter(({ role }) => role === "user");
}

/** Something has been said since the newest boundary: there is something to compact. */
export function hasReplies(context: readonly Entry[]): boolean {
  return context.some(({ role, is_boundary }) => role === "assistant" && !is_boundary);
}

function endsTurn({ role, parts, finish_reason }: Entry): boolean {
  // A batch of tools that was stopped is the last of its turn.
  if (role === "tool") return finish_reason === "interrupted";
  if (role !== "assistant") return false;
  switch (finish_reason) {
    case "pause":
      return false;
    case "interrupted":
    case "length":
    case "content_filter":
      return true;
    default:
      return !parts.some((part) => part.type === "tool-call" && part.provider_executed !== true);
  }
}
