import type { McpServer } from "@parley/protocol";
import type { ChatRow } from "../../domain/rows.ts";
import type { ChatServers, ShownServers } from "../../machine/chat-servers.ts";
import type { WriteTx } from "../../postgres/sql.ts";
import { HostRefused, type Reach } from "../../tools/mcp/reach.ts";
import type { HttpContext } from "../context.ts";
import { InvalidRequest } from "../errors.ts";

/** What this installation lets chats bring along. */
export interface ChatServersPolicy {
  readonly servers: ChatServers;
  /** The deployment's own servers: their names are taken. */
  readonly taken: ReadonlySet<string>;
  readonly reach: Pick<Reach, "assertHost">;
}

/**
 * Holds the MCP servers of a chat to what this installation allows. Names that must first be looked up are judged when
 * they are, and each time again.
 *
 * @throws InvalidRequest
 */
export function checkServers(given: readonly McpServer[] | undefined, context: HttpContext): void {
  const { chatServers, limits } = context;
  if (given === undefined || given.length === 0) return;
  const max = chatServers === null ? 0 : limits.mcpServersMax;
  if (chatServers === null || given.length > max) {
    throw new InvalidRequest(
      max === 0
        ? "Chats may bring no MCP servers along here."
        : `A chat may bring ${max} MCP servers along here.`,
      { mcp_servers_max: max },
    );
  }
  for (const { name, url, oauth } of given) {
    if (chatServers.taken.has(name)) {
      const text = `There is an MCP server "${name}" here already: give it another name.`;
      throw new InvalidRequest(text, { server: name });
    }
    for (const address of [url, ...(oauth === undefined ? [] : [oauth.issuer])]) {
      assertReachable(name, address, chatServers);
    }
  }
}

function assertReachable(name: string, url: string, { reach }: ChatServersPolicy): void {
  try {
    reach.assertHost(new URL(url).hostname);
  } catch (error) {
    if (!(error instanceof HostRefused)) throw error;
    const text = `The MCP server "${name}" cannot be used: ${error.message}.`;
    throw new InvalidRequest(text, { server: name });
  }
}

/** Writes the servers of a chat whose row is locked, and gives the columns that show them. */
export async function replaceServers(
  context: HttpContext,
  tx: WriteTx,
  chat: ChatRow,
  given: readonly McpServer[] | undefined,
): Promise<Partial<ShownServers>> {
  const { chatServers } = context;
  if (given === undefined || chatServers === null) return {};
  if (given.length === 0 && chat.mcp_revision === 0) return {};
  return await chatServers.servers.replace(tx, chat, given);
}
