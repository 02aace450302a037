import type { Client } from "@parley/client";

/** What a message names a file by. */
export interface UploadedPart {
  readonly type: "file";
  readonly media_type: string;
  readonly filename: string;
  readonly data: string;
}

/** Inlined files are part of the message: more than this does not fit. */
const inlineBytesMax = 180 * 1024;

export async function upload(
  _client: Client,
  file: File,
  _signal: AbortSignal,
): Promise<UploadedPart> {
  if (file.size > inlineBytesMax) {
    throw new Error(`${file.name} is larger than ${inlineBytesMax / 1024} KiB.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  const media_type = file.type === "" ? "application/octet-stream" : file.type;
  return { type: "file", media_type, filename: file.name, data: btoa(binary) };
}
