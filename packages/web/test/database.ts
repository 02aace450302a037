import { join } from "node:path";
import { Client } from "pg";
import { databaseUrl, temporaryFolder } from "../../engine/test/server-process.ts";
import { startEmbedded } from "../../engine/src/postgres/embedded.ts";

/** A database that outlives the servers of a test, and that the test may write to. */
export interface SharedDatabase {
  readonly url: string;
  query(text: string, values?: unknown[]): Promise<unknown[]>;
  stop(): Promise<void>;
}

export async function startSharedDatabase(): Promise<SharedDatabase> {
  const folder = await temporaryFolder();
  const server = await startEmbedded({ dataDir: join(folder.path, "postgres"), durable: false });
  return {
    url: databaseUrl(server),
    query: async (text, values = []) => {
      const client = new Client(server.settings);
      await client.connect();
      try {
        return (await client.query(text, values)).rows;
      } finally {
        await client.end();
      }
    },
    stop: async () => {
      await server.stop();
      await folder.remove();
    },
  };
}
