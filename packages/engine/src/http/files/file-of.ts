import type { StoredFile } from "@parley/protocol";
import type { FileRow } from "../../domain/files.ts";

/** A file as the API shows it. */
export function fileOf(row: FileRow): StoredFile {
  return {
    id: row.id,
    name: row.name,
    media_type: row.media_type,
    size_bytes: row.size_bytes,
    sha256: Buffer.from(row.sha256).toString("hex"),
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
  };
}
