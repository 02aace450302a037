import type { FileRow } from "../domain/files.ts";
import type { Sql, WriteTx } from "../postgres/sql.ts";

const columns = `id, owner_id, name, media_type, size_bytes, sha256, created_at, expires_at,
  (state = 'expired' or coalesce(expires_at <= parley.now(), false)) as expired`;

export interface NewUpload {
  readonly id: string;
  readonly owner_id: string;
  readonly name: string;
  /** Set aside in the owner's total until its size is known. */
  readonly bytes_reserved: number;
}

/** An upload that has not ended after this long was left by a replica that is gone. */
const uploadMs = 3_600_000;

/**
 * Makes room for an upload. The owner's row is locked first, and the sum is a statement of its own, so that it counts
 * what others have set aside meanwhile.
 *
 * @param bytesMax what the owner's files may take together; 0: any amount
 * @returns false where there is no room
 */
export async function beginUpload(
  tx: WriteTx,
  upload: NewUpload,
  bytesMax: number,
): Promise<boolean> {
  const [, rows] = await Promise.all([
    tx.query({
      name: "files.lock_owner",
      text: `select from parley.principals where id = $1 for no key update`,
      values: [upload.owner_id],
    }),
    tx.query({
      name: "files.begin",
      text: `insert into parley.files (id, owner_id, name, size_bytes, sweep_at)
             select $1, $2, $3, $4::bigint, parley.now() + make_interval(secs => $6::double precision / 1000)
             where $5::bigint = 0 or $4::bigint + (
               select coalesce(sum(size_bytes), 0) from parley.files where owner_id = $2 and state <> 'expired'
             ) <= $5::bigint
             returning id`,
      values: [upload.id, upload.owner_id, upload.name, upload.bytes_reserved, bytesMax, uploadMs],
    }),
  ]);
  return rows.length === 1;
}

export interface EndedUpload {
  readonly id: string;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly sha256: Uint8Array;
  /** How long it is kept while no chat refers to it. */
  readonly unused_ms: number;
  /** How long it is kept in any case; null: as long as a chat refers to it. */
  readonly age_ms: number | null;
}

/** Undefined where the upload is not there any more. */
export async function endUpload(tx: WriteTx, ended: EndedUpload): Promise<FileRow | undefined> {
  const [row] = await tx.query<FileRow>({
    name: "files.end",
    text: `with ends as (
             select parley.now() + make_interval(secs => $6::double precision / 1000) as used,
               parley.now() + make_interval(
                 secs => least($5::double precision, $6::double precision) / 1000) as unused
           )
           update parley.files
           set state = 'ready', media_type = $2, size_bytes = $3, sha256 = $4,
             dies_at = ends.used, expires_at = ends.unused, sweep_at = ends.unused
           from ends where id = $1 and state = 'uploading'
           returning ${columns}`,
    values: [
      ended.id,
      ended.media_type,
      ended.size_bytes,
      Buffer.from(ended.sha256),
      ended.unused_ms,
      ended.age_ms,
    ],
  });
  return row;
}

/** Takes back an upload that came to nothing, bytes and all. */
export async function discardUpload(tx: WriteTx, fileId: string): Promise<void> {
  await tx.query({
    name: "files.discard",
    text: `delete from parley.files where id = $1 and state = 'uploading'`,
    values: [fileId],
  });
}

/** Whoever owns it: that the caller may see it is for the caller to check. */
export async function readFile(
  sql: Pick<Sql, "query">,
  fileId: string,
): Promise<FileRow | undefined> {
  const [row] = await sql.query<FileRow>({
    name: "files.read",
    text: `select ${columns} from parley.files where id = $1 and state <> 'uploading'`,
    values: [fileId],
  });
  return row;
}

/** The owner's files whose bytes are there, the newest first: ids sort by time. */
export async function listFiles(
  sql: Pick<Sql, "query">,
  ownerId: string,
  before: string | null,
  limit: number,
): Promise<FileRow[]> {
  return await sql.query<FileRow>({
    name: "files.list",
    text: `select ${columns} from parley.files
           where owner_id = $1 and state = 'ready' and coalesce(expires_at > parley.now(), true)
             and ($2::uuid is null or id < $2)
           order by id desc limit $3`,
    values: [ownerId, before, limit],
  });
}

/** What an owner's files take, uploads under way included: what a new one is judged by. */
export async function bytesUsed(sql: Pick<Sql, "query">, ownerId: string): Promise<number> {
  const [row] = await sql.query<{ bytes: number }>({
    name: "files.bytes_used",
    text: `select coalesce(sum(size_bytes), 0)::bigint as bytes from parley.files
           where owner_id = $1 and state <> 'expired'`,
    values: [ownerId],
  });
  return row?.bytes ?? 0;
}

/** Those of the files that the chat refers to. */
export async function readChatFiles(
  sql: Pick<Sql, "query">,
  chatId: string,
  fileIds: readonly string[],
): Promise<FileRow[]> {
  return await sql.query<FileRow>({
    name: "files.read_of_chat",
    text: `select ${columns} from parley.files f
           where id = any ($2::uuid[]) and state <> 'uploading'
             and exists (select from parley.chat_files c where c.chat_id = $1 and c.file_id = f.id)`,
    values: [chatId, fileIds],
  });
}

/** Those of the files that the chat refers to which have these names; of a name, the newest. */
export async function readNamedFiles(
  tx: WriteTx,
  chatId: string,
  names: readonly string[],
): Promise<FileRow[]> {
  return await tx.query<FileRow>({
    name: "files.read_named",
    text: `select distinct on (name) ${columns} from parley.files f
           where name = any ($2) and state <> 'uploading'
             and exists (select from parley.chat_files c where c.chat_id = $1 and c.file_id = f.id)
           order by name, created_at desc`,
    values: [chatId, names],
  });
}

/** The owner's files among these, held against sweeps and deletion until the transaction ends. */
export async function lockFiles(
  tx: WriteTx,
  ownerId: string,
  fileIds: readonly string[],
): Promise<FileRow[]> {
  return await tx.query<FileRow>({
    name: "files.lock",
    text: `select ${columns} from parley.files
           where id = any ($2::uuid[]) and owner_id = $1 and state <> 'uploading'
           order by id for no key update`,
    values: [ownerId, fileIds],
  });
}

/** How many files the chat would refer to with these. Sound under the chat's lock. */
export async function countChatFiles(
  tx: WriteTx,
  chatId: string,
  withIds: readonly string[],
): Promise<number> {
  const [row] = await tx.query<{ files: number }>({
    name: "chat_files.count",
    text: `select count(*) as files from (
             select file_id from parley.chat_files where chat_id = $1 union select unnest($2::uuid[])) f`,
    values: [chatId, withIds],
  });
  return row?.files ?? 0;
}

/**
 * Ends a file of the owner's at once: its bytes, and its row too where no chat refers to it. Doing it again changes
 * nothing.
 *
 * @returns false where there is no such file
 */
export async function deleteFile(tx: WriteTx, ownerId: string, fileId: string): Promise<boolean> {
  const [locked] = await lockFiles(tx, ownerId, [fileId]);
  if (locked === undefined) return false;
  await tx.query({
    name: "files.delete",
    text: `delete from parley.files f
           where id = $1 and not exists (select from parley.chat_files where file_id = f.id)`,
    values: [fileId],
  });
  await expireFiles(tx, [fileId]);
  return true;
}

/**
 * Removes at most `rowsMax` files whose time is over: uploads that were left, files that no chat refers to, and of those
 * that one refers to only the bytes. Gives how many rows it has seen to.
 *
 * A reference writes the file's row before it counts (0017_one_write.sql): a file that was referred to after this statement
 * began is skipped while that is not committed, and afterwards is not due any more.
 */
export async function sweepFiles(tx: WriteTx, rowsMax: number): Promise<number> {
  const due = await tx.query<{ id: string }>({
    name: "files.sweep_due",
    text: `select id from parley.files where sweep_at <= parley.now()
           order by sweep_at limit $1 for update skip locked`,
    values: [rowsMax],
  });
  if (due.length === 0) return 0;
  const ids = due.map(({ id }) => id);
  await tx.query({
    name: "files.sweep",
    text: `delete from parley.files f
           where id = any ($1::uuid[]) and not exists (select from parley.chat_files where file_id = f.id)`,
    values: [ids],
  });
  await expireFiles(tx, ids);
  return ids.length;
}

/** Takes the bytes; the row stays to say so. */
async function expireFiles(tx: WriteTx, fileIds: readonly string[]): Promise<void> {
  await tx.query({
    name: "files.expire",
    text: `with gone as (delete from parley.file_chunks where file_id = any ($1::uuid[]))
           update parley.files
           set state = 'expired', expires_at = least(expires_at, parley.now()), sweep_at = null
           where id = any ($1::uuid[])`,
    values: [fileIds],
  });
}
