import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { exchange } from "../../tools/mcp/web-exchange.ts";
import type { App } from "../app.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { addChatTools } from "./chat-tools.ts";

const instructions =
  "Chats with agents that this server runs. create_chat and send_message wait for the reply; one that takes longer goes " +
  "on by itself, and watch_chat tells when it has ended.";

/**
 * This server as an MCP server, over Streamable HTTP at `/mcp`. Every request stands for itself and brings its token, so
 * any replica may answer it.
 */
export function mcpRoute(app: App, context: HttpContext, version: string): void {
  const handler = createMcpHandler(
    ({ authInfo }) => {
      const server = new McpServer(
        { name: "parley", version },
        { capabilities: { tools: {} }, instructions },
      );
      addChatTools(server, context, authInfo?.extra?.["caller"] as Caller);
      return server;
    },
    {
      // Headers at once, and a sign of life every 15 s while a reply is waited for.
      responseMode: "sse",
      onerror: (err) => context.logger.debug({ err }, "an MCP request went wrong"),
    },
  );
  app.addHook("onClose", async () => await handler.close());
  app.route({
    method: ["GET", "POST", "DELETE"],
    url: "/mcp",
    schema: { hide: true },
    handler: async (request, reply) => {
      const { caller, raw } = request;
      // The answer is the handler's own; what hooks have set goes along with it.
      reply.hijack();
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value);
      }
      // The token stays where it was checked.
      const authInfo = { token: "", clientId: caller.principalId, scopes: [], extra: { caller } };
      try {
        await exchange(handler, raw, reply.raw, { authInfo, parsedBody: request.body ?? null });
      } catch (err) {
        context.logger.warn({ err, request_id: request.id }, "an MCP request failed");
        reply.raw.destroy();
      }
    },
  });
}
