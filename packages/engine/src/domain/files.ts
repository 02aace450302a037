import { ParleyError } from "../lib/errors.ts";

/** A row of `parley.files` whose bytes are there, or were. */
export interface FileRow {
  readonly id: string;
  readonly owner_id: string;
  readonly name: string;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly sha256: Uint8Array;
  readonly created_at: Date;
  /** Null: with the last chat that refers to it. */
  readonly expires_at: Date | null;
  /** By database time; the bytes may be gone. */
  readonly expired: boolean;
}

/** The bytes are kept in rows of this size: each is held in memory, and sent, as one. */
export const chunkBytes = 256 * 1024;

/**
 * Where the bytes of files are. What a file is called, whose it is and how long it lives is the database's in any case;
 * a store of objects can take the place of this port's PostgreSQL side.
 */
export interface FileStore {
  /** Chunk `n`, from 0: all of them `chunkBytes` long but the last. */
  append(fileId: string, n: number, bytes: Uint8Array): Promise<void>;
  /** Undefined where it is gone. */
  chunk(fileId: string, n: number): Promise<Uint8Array | undefined>;
  /** The first `bytesMax` bytes of a file, or all. Empty where they are gone. */
  head(fileId: string, bytesMax: number): Promise<Uint8Array>;
}

export class FileNotFound extends ParleyError {
  constructor(fileId: string) {
    super("file_not_found", "There is no such file. Upload it (POST /files) and use the new id.", {
      details: { file_id: fileId },
    });
  }
}

export class FileExpired extends ParleyError {
  constructor(fileId: string) {
    super("file_expired", "The file has expired: its bytes are gone. Upload it again.", {
      details: { file_id: fileId },
    });
  }
}

export class TooManyFiles extends ParleyError {
  constructor(max: number) {
    super("too_many_files", `A chat may hold ${max} files. Start another chat for more.`, {
      details: { max },
    });
  }
}

export class FileSpaceUsedUp extends ParleyError {
  constructor(bytesMax: number) {
    super(
      "file_space_used_up",
      `Your files may take ${bytesMax} bytes together. Delete files, or chats with files, first.`,
      { details: { bytes_max: bytesMax } },
    );
  }
}
