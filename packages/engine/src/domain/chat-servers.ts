import type { ChatMcpServer, ChatNotice, McpServer } from "@parley/protocol";

/** What is not said of a chat's MCP server is so. */
export const mcpServerDefaults = {
  approval: "never",
  delivery: "annotated",
  timeout_seconds: 60,
  output_bytes: 64 * 1024,
} as const;

/** A chat's MCP server as everybody may see it who sees the chat. */
export function shownServer(server: McpServer): ChatMcpServer {
  const { name, url, headers = {}, token, oauth, allow, deny } = server;
  const tokens = token === undefined ? "none" : "bearer";
  return {
    name,
    url: shownUrl(url),
    headers: Object.keys(headers)
      .map((header) => header.toLowerCase())
      .toSorted(),
    auth: oauth === undefined ? tokens : "client_credentials",
    allow: allow ?? null,
    deny: deny ?? [],
    approval: server.approval ?? mcpServerDefaults.approval,
    delivery: server.delivery ?? mcpServerDefaults.delivery,
    timeout_seconds: server.timeout_seconds ?? mcpServerDefaults.timeout_seconds,
    output_bytes: server.output_bytes ?? mcpServerDefaults.output_bytes,
  };
}

/** Whether a notice outlives a change of the list: it does not where its server is gone, or is another one now. */
export function stillStands(
  before: readonly ChatMcpServer[],
  after: readonly ChatMcpServer[],
): (notice: ChatNotice) => boolean {
  const urlIn = (servers: readonly ChatMcpServer[], name: string): string | undefined =>
    servers.find((server) => server.name === name)?.url;
  return ({ server }) => urlIn(before, server) === urlIn(after, server);
}

/** Queries hold keys as often as not. */
function shownUrl(url: string): string {
  return url.replace(/[?#].*$/s, "");
}

/**
 * Whoever changes a list of servers cannot repeat secrets that he is not shown. One that keeps name and url, and gives
 * neither headers nor token nor oauth, keeps those that it had; at another url it would show them to somebody else.
 */
export function withKeptSecrets(
  given: readonly McpServer[],
  before: readonly McpServer[],
): McpServer[] {
  return given.map((server) => {
    const { headers, token, oauth } = server;
    if (headers !== undefined || token !== undefined || oauth !== undefined) return server;
    const old = before.find(({ name, url }) => {
      return name === server.name && (url === server.url || shownUrl(url) === server.url);
    });
    if (old === undefined) return server;
    return {
      ...server,
      url: old.url,
      ...(old.headers !== undefined && { headers: old.headers }),
      ...(old.token !== undefined && { token: old.token }),
      ...(old.oauth !== undefined && { oauth: old.oauth }),
    };
  });
}
