import type { McpServer } from "@parley/protocol";
import { mcpServerDefaults } from "../../domain/chat-servers.ts";
import type { McpAuth, McpServerDefinition } from "./definition.ts";

/** A server that a chat brought along: over HTTP, at a public address, with what it was given and nothing of ours. */
export function chatDefinition(server: McpServer): McpServerDefinition {
  const { name, url, headers = {}, allow, deny } = server;
  const timeoutSeconds = server.timeout_seconds ?? mcpServerDefaults.timeout_seconds;
  return {
    name,
    endpoint: { type: "http", url, headers, auth: authOf(server), guarded: true },
    allow: allow ?? null,
    deny: deny ?? [],
    approval: server.approval ?? mcpServerDefaults.approval,
    delivery: server.delivery ?? mcpServerDefaults.delivery,
    timeoutMs: timeoutSeconds * 1_000,
    outputBytesMax: server.output_bytes ?? mcpServerDefaults.output_bytes,
  };
}

function authOf({ token, oauth }: McpServer): McpAuth | null {
  if (token !== undefined) return { type: "bearer", token };
  if (oauth === undefined) return null;
  const { issuer, client_id, client_secret, scope = null } = oauth;
  return {
    type: "client_credentials",
    issuer,
    clientId: client_id,
    clientSecret: client_secret,
    scope,
  };
}
