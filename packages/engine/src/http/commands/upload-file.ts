import type { FileAnswer } from "@parley/protocol";
import { FileSpaceUsedUp } from "../../domain/files.ts";
import type { RequestKey } from "../../machine/idempotency.ts";
import { beginUpload, discardUpload, endUpload } from "../../store/files.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { FileTypeRefused, InvalidRequest, PayloadTooLarge } from "../errors.ts";
import { fileOf } from "../files/file-of.ts";
import { receiveFile, type Received } from "../files/receive.ts";
import { filesScope } from "./files.ts";
import { changeOnce } from "./once-in-database.ts";
import { requestKey, type Answer } from "./once.ts";

export interface IncomingFile {
  readonly name: string;
  /** Read once, from begin to end or not at all. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** At most so many come, where the client has said it. */
  readonly bytesDeclared: number | null;
}

/**
 * Stores a file of the caller's. What does not get to its end leaves nothing.
 *
 * @throws PayloadTooLarge, FileSpaceUsedUp, FileTypeRefused, IdempotencyKeyReused
 */
export async function uploadFileCommand(
  context: HttpContext,
  caller: Caller,
  file: IncomingFile,
  headerKey: string | undefined,
): Promise<Answer<FileAnswer>> {
  const { database, limits, random } = context;
  const id = random.uuid();
  const bytes_reserved = Math.min(file.bytesDeclared ?? limits.fileBytesMax, limits.fileBytesMax);
  const upload = { id, owner_id: caller.principalId, name: file.name, bytes_reserved };
  const hasRoom = await database.write(
    (tx) => beginUpload(tx, upload, limits.fileBytesPerOwnerMax),
    { operation: "http.begin_upload" },
  );
  if (!hasRoom) throw new FileSpaceUsedUp(limits.fileBytesPerOwnerMax);
  try {
    const received = await receiveFile(
      context.files,
      { id, name: file.name, bytes: file.bytes },
      limits.fileBytesMax,
    );
    // More than was set aside would not have been counted.
    if (received.size_bytes > bytes_reserved) {
      throw new PayloadTooLarge("The file", bytes_reserved);
    }
    checkType(received.media_type, limits.fileTypes);
    const sha256 = Buffer.from(received.sha256).toString("hex");
    const key = requestKey(caller, filesScope, headerKey, ["uploadFile", file.name, sha256]);
    const { answer, replayed } = await end(context, id, received, key);
    if (replayed) await discard(context, id);
    return answer;
  } catch (error) {
    await discard(context, id);
    throw error;
  }
}

async function end(
  { database, limits }: HttpContext,
  id: string,
  received: Received,
  key: RequestKey | null,
): Promise<{ answer: Answer<FileAnswer>; replayed: boolean }> {
  return await changeOnce(database, key, "http.end_upload", async (tx) => {
    const row = await endUpload(tx, {
      id,
      ...received,
      unused_ms: limits.fileUnusedMs,
      age_ms: limits.fileAgeMs === 0 ? null : limits.fileAgeMs,
    });
    if (row === undefined) throw new InvalidRequest("The upload took too long. Send it again.");
    return { status: 201, body: { file: fileOf(row) } };
  });
}

/** Where even that fails, the sweep takes it. */
async function discard({ database, logger }: HttpContext, id: string): Promise<void> {
  try {
    await database.write((tx) => discardUpload(tx, id), { operation: "http.discard_upload" });
  } catch (err) {
    logger.warn({ err, file_id: id }, "an upload that failed is left to the sweep");
  }
}

function checkType(mediaType: string, allowed: readonly string[]): void {
  const [group] = mediaType.split("/");
  const isAllowed = allowed.some(
    (type) => type === "*" || type === mediaType || type === `${group}/*`,
  );
  if (!isAllowed) throw new FileTypeRefused(mediaType, allowed);
}
