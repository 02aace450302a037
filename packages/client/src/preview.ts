import { foldInto } from "@parley/protocol";
import type { EpisodeName, EventData, Json, Part } from "@parley/protocol";

/** The live parts of one episode, as of `seq`. */
export interface Preview extends EpisodeName {
  readonly seq: number;
  readonly parts: readonly Part[];
  /** The episode is full: the rest comes with the committed message. */
  readonly truncated: boolean;
  /** What running tools last said of themselves, by tool call id. */
  readonly progress: Readonly<Record<string, Json>>;
}

export function previewOf(snapshot: EventData<"preview_snapshot">): Preview {
  const { history_version, generation_attempt, seq, parts } = snapshot;
  return { history_version, generation_attempt, seq, parts, truncated: false, progress: {} };
}

/** The preview after its next part; null where the part does not fit: one before it was lost. */
export function foldPart(base: Preview, live: EventData<"message_part">): Preview | null {
  const { part, seq } = live;
  if (part.type === "truncated") return { ...base, seq, truncated: true };
  if (part.type === "tool-progress") {
    return { ...base, seq, progress: { ...base.progress, [part.tool_call_id]: part.progress } };
  }
  const parts = [...base.parts];
  try {
    foldInto(parts, part);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
  return { ...base, seq, parts };
}

/** Versions only grow, so of two episodes of a chat one is the newer. */
export function isNewer(a: EpisodeName, b: EpisodeName): boolean {
  if (a.history_version !== b.history_version) return a.history_version > b.history_version;
  return a.generation_attempt > b.generation_attempt;
}

export function newest(a: EpisodeName | null, b: EpisodeName | null): EpisodeName | null {
  if (b === null) return a;
  return a === null || isNewer(b, a) ? b : a;
}
