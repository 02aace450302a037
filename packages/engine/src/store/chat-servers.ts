import type { Sql, WriteTx } from "../postgres/sql.ts";

/** A row of `parley.chat_mcp_servers`. */
export interface SealedServers {
  readonly revision: number;
  readonly sealed: Uint8Array;
}

export async function readSealedServers(
  sql: Pick<Sql, "query">,
  chatId: string,
): Promise<SealedServers | undefined> {
  const [row] = await sql.query<SealedServers>({
    name: "chat_mcp_servers.read",
    text: `select revision, sealed from parley.chat_mcp_servers where chat_id = $1`,
    values: [chatId],
  });
  return row;
}

export async function writeSealedServers(
  tx: WriteTx,
  chatId: string,
  { revision, sealed }: SealedServers,
): Promise<void> {
  await tx.query({
    name: "chat_mcp_servers.write",
    text: `insert into parley.chat_mcp_servers (chat_id, revision, sealed) values ($1, $2, $3)
           on conflict (chat_id) do update set revision = excluded.revision, sealed = excluded.sealed`,
    values: [chatId, revision, sealed],
  });
}
