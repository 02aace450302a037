import type { FileAnswer, FileLinkAnswer, ListFilesAnswer, ListFilesQuery } from "@parley/protocol";
import { FileExpired, FileNotFound, type FileRow } from "../../domain/files.ts";
import { bytesUsed, deleteFile, listFiles, readFile } from "../../store/files.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { fileOf } from "../files/file-of.ts";
import { reader } from "../reader.ts";
import { isUuid } from "../uuid.ts";
import { changeOnce } from "./once-in-database.ts";
import { requestKey, type Answer } from "./once.ts";

/** Where the keys of calls are that are about files: no chat need be there. */
export const filesScope = "files";

/**
 * A file of the caller's. One of somebody else, one that is not there, and what is no id at all are answered alike.
 *
 * @throws FileNotFound, FileExpired
 */
export async function ownFile(
  context: HttpContext,
  caller: Caller,
  fileId: string,
): Promise<FileRow> {
  const row = await find(context, fileId);
  if (row?.owner_id !== caller.principalId) throw new FileNotFound(fileId);
  return alive(row);
}

/** A file whoever owns it: for who has shown a link to it. @throws FileNotFound, FileExpired */
export async function linkedFile(context: HttpContext, fileId: string): Promise<FileRow> {
  const row = await find(context, fileId);
  if (row === undefined) throw new FileNotFound(fileId);
  return alive(row);
}

const pageFilesDefault = 50;

export async function listFilesCommand(
  { database, limits }: HttpContext,
  { principalId }: Caller,
  { before, limit = pageFilesDefault }: ListFilesQuery,
): Promise<ListFilesAnswer> {
  const sql = reader(database, "http.list_files");
  const [rows, bytes_used] = await Promise.all([
    listFiles(sql, principalId, before ?? null, limit + 1),
    bytesUsed(sql, principalId),
  ]);
  const { fileBytesPerOwnerMax } = limits;
  return {
    files: rows.slice(0, limit).map(fileOf),
    has_more: rows.length > limit,
    bytes_used,
    bytes_max: fileBytesPerOwnerMax === 0 ? null : fileBytesPerOwnerMax,
  };
}

export async function fileCommand(
  context: HttpContext,
  caller: Caller,
  fileId: string,
): Promise<FileAnswer> {
  return { file: fileOf(await ownFile(context, caller, fileId)) };
}

/** The right to fetch the bytes for a while, as an address. */
export async function fileLinkCommand(
  context: HttpContext,
  caller: Caller,
  fileId: string,
): Promise<FileLinkAnswer> {
  const { id } = await ownFile(context, caller, fileId);
  const expiresMs = context.clock.now() + context.limits.fileLinkMs;
  const { expires, signature } = context.fileLinks.sign(id, expiresMs);
  return {
    url: `/api/v1/files/${id}/content?expires=${expires}&signature=${signature}`,
    expires_at: new Date(expires * 1_000).toISOString(),
  };
}

/** Its bytes go at once; messages that refer to it stay, and say so. @throws FileNotFound */
export async function deleteFileCommand(
  context: HttpContext,
  caller: Caller,
  fileId: string,
  headerKey: string | undefined,
): Promise<Answer<null>> {
  const id = fileId.toLowerCase();
  if (!isUuid(id)) throw new FileNotFound(fileId);
  const key = requestKey(caller, filesScope, headerKey, ["deleteFile", id]);
  const { answer } = await changeOnce(context.database, key, "http.delete_file", async (tx) => {
    if (!(await deleteFile(tx, caller.principalId, id))) throw new FileNotFound(fileId);
    return { status: 204, body: null };
  });
  return answer;
}

async function find({ database }: HttpContext, fileId: string): Promise<FileRow | undefined> {
  if (!isUuid(fileId)) return undefined;
  return await readFile(reader(database, "http.read_file"), fileId.toLowerCase());
}

function alive(row: FileRow): FileRow {
  if (row.expired) throw new FileExpired(row.id);
  return row;
}
