import type { FilePart } from "@parley/protocol";
import type { FileRow } from "../../domain/files.ts";
import { isEverTaken, isTextual } from "../../models/prompt-files.ts";
import type { PromptMessage } from "../../models/model-port.ts";

/** What a model is given of one file: as much of its bytes, or the reason why there are none. */
export type FilePlan =
  | { readonly how: "read"; readonly bytes: number }
  /** No provider takes files of this kind: the prompt names it. */
  | { readonly how: "name" }
  | { readonly how: "expired" }
  /** Newer files have taken the room. */
  | { readonly how: "no_room" };

/** As much as a person may write into one message; of a longer text the model is given the beginning. */
export const textBytesMax = 256 * 1024;

/** The uploaded files in a history, as often as they are referred to, oldest first. */
export function uploadsIn(messages: readonly Pick<PromptMessage, "parts">[]): UploadedPart[] {
  return messages.flatMap(({ parts }) => parts.filter(isUpload));
}

export type UploadedPart = FilePart & { readonly file_id: string };

export function isUpload(part: PromptMessage["parts"][number]): part is UploadedPart {
  return part.type === "file" && part.file_id !== undefined;
}

/**
 * What becomes of each of these parts in one prompt, the newest first: what a person has just attached is what he asks
 * about.
 */
export function planFiles(
  uploads: readonly UploadedPart[],
  rows: ReadonlyMap<string, FileRow>,
  bytesMax: number,
): ReadonlyMap<UploadedPart, FilePlan> {
  const plans = new Map<UploadedPart, FilePlan>();
  let room = bytesMax;
  for (const part of uploads.toReversed()) {
    const row = rows.get(part.file_id);
    const plan = planOf(row, room);
    if (plan.how === "read") room -= plan.bytes;
    plans.set(part, plan);
  }
  return plans;
}

function planOf(row: FileRow | undefined, room: number): FilePlan {
  if (row === undefined || row.expired) return { how: "expired" };
  if (!isEverTaken(row.media_type)) return { how: "name" };
  const bytes = isTextual(row.media_type) ? Math.min(row.size_bytes, textBytesMax) : row.size_bytes;
  return bytes > room ? { how: "no_room" } : { how: "read", bytes };
}
