import type { CustomPart, Part } from "@parley/protocol";
import type { MessageRow } from "../../domain/rows.ts";

/**
 * What the boundary of a compaction carries over from the context that it ends, so that what is counted per turn is not
 * counted anew with every compaction.
 */
export interface Carried {
  /** Steps of the turn that goes on after the boundary. */
  readonly steps: number;
  /** How often this turn was compacted because its context had overflowed. */
  readonly recoveries: number;
  /** How often the model was told in this turn that its result is not what was asked for. */
  readonly repairs: number;
}

const kind = "parley.compaction";
const nothing: Carried = { steps: 0, recoveries: 0, repairs: 0 };

/** A part of the hidden summary; prompts leave it out. */
export function markPart({ steps, recoveries, repairs }: Carried): CustomPart {
  return { type: "custom", kind, provider_metadata: { parley: { steps, recoveries, repairs } } };
}

/** What was carried into this context; null where it does not begin with a compaction. */
export function markOf(
  context: readonly Pick<MessageRow, "is_boundary" | "parts">[],
): Carried | null {
  const [first] = context;
  if (first?.is_boundary !== true) return null;
  const mark = first.parts.find(isMark);
  if (mark === undefined) return null;
  const { steps, recoveries, repairs } = mark.provider_metadata?.["parley"] ?? {};
  return {
    steps: numberOf(steps),
    recoveries: numberOf(recoveries),
    repairs: numberOf(repairs),
  };
}

/**
 * What still counts of that: a message that a user has written since begins everything anew. Copies that a boundary
 * replays are not written since.
 */
export function carriedInto(
  context: readonly Pick<MessageRow, "is_boundary" | "parts" | "role" | "visibility">[],
): Carried {
  const written = context.some(({ role, visibility }) => role === "user" && visibility !== "model");
  return written ? nothing : (markOf(context) ?? nothing);
}

function isMark(part: Part): part is CustomPart {
  return part.type === "custom" && part.kind === kind;
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
