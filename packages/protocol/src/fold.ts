import type { LivePart } from "./live-part.ts";
import type { Part, ToolCallPart } from "./parts.ts";

/**
 * Applies one live part to a preview, in place. Elements are replaced and never changed, so a caller
 * that keeps older lists alive (a React store, say) folds into a shallow copy.
 *
 * Folding all live parts of an episode gives exactly the parts of the message that is then committed.
 *
 * @throws RangeError when the part's index is past the end of the list: a live part was lost.
 */
export function foldInto(parts: Part[], live: LivePart): void {
  if (live.type === "tool-progress" || live.type === "truncated") return;
  const { index } = live;
  if (index > parts.length) {
    throw new RangeError(`part ${index} arrived when only ${parts.length} were there`);
  }
  const before = parts[index];
  if ("delta" in live) {
    const text = before?.type === live.type ? before.text + live.delta : live.delta;
    parts[index] = { type: live.type, text };
    return;
  }
  if ("input_delta" in live) {
    const input_text =
      (before?.type === "tool-call" ? (before.input_text ?? "") : "") + live.input_delta;
    const { tool_call_id, tool_name } = live;
    parts[index] = {
      type: "tool-call",
      tool_call_id,
      tool_name,
      input: null,
      input_text,
      partial: true,
    };
    return;
  }
  const { index: _, ...part } = live;
  parts[index] = part;
}

/** The fold of a whole list of live parts. */
export function fold(live: Iterable<LivePart>): Part[] {
  const parts: Part[] = [];
  for (const part of live) foldInto(parts, part);
  return parts;
}

/** A tool call whose arguments were still arriving. */
export function isUnfinishedCall(part: Part): part is ToolCallPart {
  return part.type === "tool-call" && part.partial === true;
}

/**
 * What is kept of an interrupted preview: everything but tool calls that had not arrived whole, and the announcement of a
 * repair that is not going to come.
 */
export function keptPartial(parts: readonly Part[]): Part[] {
  return parts.filter(
    (part) =>
      !isUnfinishedCall(part) &&
      !(part.type === "text" && part.text === "") &&
      !(part.type === "structured-output" && part.repairing === true),
  );
}
