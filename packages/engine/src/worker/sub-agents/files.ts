import type { FilePart } from "@parley/protocol";
import type { WriteTx } from "../../postgres/sql.ts";
import { readNamedFiles } from "../../store/files.ts";
import { Refused } from "./calls.ts";

/**
 * Parts for the files that these names mean in the chat; of several with the same name, the newest.
 *
 * @throws Refused with the name that means nothing
 */
export async function filesNamed(
  tx: WriteTx,
  chatId: string,
  names: readonly string[] = [],
): Promise<FilePart[]> {
  if (names.length === 0) return [];
  const wanted = [...new Set(names)];
  const rows = await readNamedFiles(tx, chatId, wanted);
  const found = new Map(rows.map((row) => [row.name, row]));
  return wanted.map((name) => {
    const row = found.get(name);
    if (row === undefined) {
      throw new Refused(`No file "${name}" is attached here. Use the names as they were given.`);
    }
    if (row.expired) throw new Refused(`The file "${name}" has expired.`);
    const { id: file_id, media_type, name: filename, size_bytes } = row;
    return { type: "file", file_id, media_type, filename, size_bytes };
  });
}
