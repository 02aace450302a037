import type { Database } from "../postgres/database.ts";

/** Where this worker takes relay links; null when it takes none, or there is no such worker. */
export async function readRelayUrl(
  database: Pick<Database, "one">,
  workerId: string,
): Promise<string | null> {
  const [row] = await database.one<{ relay_url: string | null }>(
    {
      name: "relay_peers.url",
      text: `select relay_url from parley.workers where id = $1`,
      values: [workerId],
    },
    { operation: "relay.peer" },
  );
  return row?.relay_url ?? null;
}
