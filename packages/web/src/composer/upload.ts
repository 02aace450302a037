import type { Client } from "@parley/client";

/** What a message names a file by. */
export interface UploadedPart {
  readonly type: "file";
  readonly file_id: string;
  readonly media_type: string;
  readonly filename: string;
}

/** Stores a file; what it is, the server finds out from its content. */
export async function upload(
  client: Client,
  file: File,
  signal: AbortSignal,
): Promise<UploadedPart> {
  const { id, name, media_type } = await client.uploadFile(file, { signal });
  return { type: "file", file_id: id, media_type, filename: name };
}
