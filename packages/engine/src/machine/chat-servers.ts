import type { McpServer } from "@parley/protocol";
import { shownServer, stillStands, withKeptSecrets } from "../domain/chat-servers.ts";
import type { ChatRow } from "../domain/rows.ts";
import { SealBroken, type Sealer } from "../lib/seal.ts";
import type { Sql, WriteTx } from "../postgres/sql.ts";
import type { MetadataChanges } from "../store/chats.ts";
import { readSealedServers, writeSealedServers } from "../store/chat-servers.ts";

export interface ServersRead {
  readonly revision: number;
  /** Null where they cannot be opened: the key is another one now. */
  readonly servers: readonly McpServer[] | null;
}

/** The columns that show a chat's servers. */
export type ShownServers = Required<
  Pick<MetadataChanges, "mcp_servers" | "mcp_revision" | "notices">
>;

type Bringer = Pick<ChatRow, "id" | "mcp_servers" | "mcp_revision" | "notices">;

/** The MCP servers that chats bring along, with their secrets: sealed, and outside of the chat's own row. */
export class ChatServers {
  readonly #sealer: Sealer;

  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  async read(sql: Pick<Sql, "query">, chatId: string): Promise<ServersRead> {
    const row = await readSealedServers(sql, chatId);
    if (row === undefined) return { revision: 0, servers: [] };
    return { revision: row.revision, servers: this.#open(row.sealed, chatId) };
  }

  /** Replaces the servers of a chat whose row is locked. What it gives is to be written to that row. */
  async replace(tx: WriteTx, chat: Bringer, given: readonly McpServer[]): Promise<ShownServers> {
    const old = chat.mcp_revision === 0 ? [] : (await this.read(tx, chat.id)).servers;
    return await this.#write(tx, chat, withKeptSecrets(given, old ?? []));
  }

  /** Gives a chat that is being made the servers of another one. */
  async copy(tx: WriteTx, from: Pick<ChatRow, "id">, to: Bringer): Promise<ShownServers> {
    const { servers } = await this.read(tx, from.id);
    return await this.#write(tx, to, servers ?? []);
  }

  async #write(
    tx: WriteTx,
    { id, mcp_servers: before, mcp_revision, notices }: Bringer,
    servers: readonly McpServer[],
  ): Promise<ShownServers> {
    const revision = mcp_revision + 1;
    const sealed = this.#sealer.seal(JSON.stringify(servers), placeOf(id));
    await writeSealedServers(tx, id, { revision, sealed });
    const shown = servers.map(shownServer);
    const stands = stillStands(before, shown);
    return { mcp_servers: shown, mcp_revision: revision, notices: notices.filter(stands) };
  }

  #open(sealed: Uint8Array, chatId: string): McpServer[] | null {
    try {
      return JSON.parse(this.#sealer.open(sealed, placeOf(chatId))) as McpServer[];
    } catch (error) {
      if (error instanceof SealBroken) return null;
      throw error;
    }
  }
}

function placeOf(chatId: string): string {
  return `chat_mcp_servers ${chatId}`;
}
