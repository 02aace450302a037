import type { CheckpointLoop } from "../parts/checkpoint-loop.ts";
import type { PartBuffer } from "../parts/part-buffer.ts";
import type { CheckpointPort, EpisodeKey } from "../parts/ports.ts";
import type { ChatRow } from "../domain/rows.ts";

/** What a worker needs of the part buffer. */
export type Episodes = Pick<PartBuffer, "open" | "close" | "newestWithParts">;

/** What a worker needs of the checkpoints: writing its own, and reading what a dead owner left. */
export type Checkpoints = Pick<CheckpointLoop, "flush" | "flushEpisode"> &
  Pick<CheckpointPort, "read">;

/** The episode of the attempt that the row names. */
export function episodeOf(row: ChatRow): EpisodeKey {
  const { id, history_version, generation_attempt } = row;
  return { chat_id: id, history_version, generation_attempt };
}
