import type { FilePart, TextPart } from "@parley/protocol";
import { FileExpired, FileNotFound, TooManyFiles, type FileRow } from "../../domain/files.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { countChatFiles, lockFiles } from "../../store/files.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";

type Parts = (TextPart | FilePart)[];

/**
 * The parts with what is known of the files in them: the server's word, not the client's. From here to the end of the
 * transaction no sweep can take the files, and the message that is inserted holds them (0017_one_write.sql).
 *
 * @throws FileNotFound also for a file of somebody else's; FileExpired, TooManyFiles
 */
export async function attachFiles(
  bundle: Pick<Bundle, "tx" | "chatId">,
  parts: Parts,
  caller: Caller,
  context: HttpContext,
): Promise<Parts> {
  const named = parts.flatMap((part) =>
    part.type === "file" && part.file_id !== undefined ? [part.file_id.toLowerCase()] : [],
  );
  if (named.length === 0) return parts;
  const ids = [...new Set(named)];
  const { filesPerChatMax } = context.limits;
  const [rows, count] = await Promise.all([
    lockFiles(bundle.tx, caller.principalId, ids),
    countChatFiles(bundle.tx, bundle.chatId, ids),
  ]);
  const found = new Map(rows.map((row) => [row.id, row]));
  const attached = parts.map((part) =>
    part.type === "file" && part.file_id !== undefined
      ? partOf(part.file_id, found.get(part.file_id.toLowerCase()))
      : part,
  );
  if (count > filesPerChatMax) throw new TooManyFiles(filesPerChatMax);
  return attached;
}

function partOf(fileId: string, row: FileRow | undefined): FilePart {
  if (row === undefined) throw new FileNotFound(fileId);
  if (row.expired) throw new FileExpired(fileId);
  const { id: file_id, media_type, name: filename, size_bytes } = row;
  return { type: "file", file_id, media_type, filename, size_bytes };
}
