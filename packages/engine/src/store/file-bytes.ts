import { chunkBytes, type FileStore } from "../domain/files.ts";
import type { Database } from "../postgres/database.ts";

/** The bytes of files as rows, each written and read in a transaction of its own: none waits for a slow client. */
export function createFileStore(database: Database): FileStore {
  return {
    async append(fileId, n, bytes) {
      await database.write(
        (tx) =>
          tx.query({
            name: "file_chunks.insert",
            text: `insert into parley.file_chunks (file_id, n, bytes) values ($1, $2, $3)`,
            values: [fileId, n, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)],
          }),
        { operation: "files.append" },
      );
    },

    async chunk(fileId, n) {
      const [row] = await database.one<{ bytes: Uint8Array }>(
        {
          name: "file_chunks.read",
          text: `select bytes from parley.file_chunks where file_id = $1 and n = $2`,
          values: [fileId, n],
        },
        { operation: "files.chunk" },
      );
      return row?.bytes;
    },

    async head(fileId, bytesMax) {
      const rows = await database.one<{ bytes: Uint8Array }>(
        {
          name: "file_chunks.head",
          text: `select bytes from parley.file_chunks where file_id = $1 and n < $2 order by n`,
          values: [fileId, Math.ceil(bytesMax / chunkBytes)],
        },
        { operation: "files.head" },
      );
      return Buffer.concat(rows.map(({ bytes }) => bytes)).subarray(0, bytesMax);
    },
  };
}
