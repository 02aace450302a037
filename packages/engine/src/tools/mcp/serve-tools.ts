import {
  type CallToolResult,
  type ContentBlock,
  fromJsonSchema,
  McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Json } from "@parley/protocol";
import { contentItems, type OutputItem } from "../../domain/tool-output.ts";
import { linked } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import { runBatch } from "../run-batch.ts";
import type { Tool } from "../tool.ts";
import { idempotencyMetaKey } from "./mcp-tools.ts";

export interface ServeToolsOptions {
  readonly name: string;
  readonly version: string;
  readonly instructions?: string;
  readonly tools: readonly { readonly tool: Tool; readonly isReadOnly: boolean }[];
  readonly clock: Clock;
  readonly random: Pick<Random, "uuid">;
}

/** Our own kind of tools as an MCP server: validated, bounded and stopped as in a turn. */
export function serveTools(options: ServeToolsOptions): McpServer {
  const { name, version, instructions, tools } = options;
  const server = new McpServer(
    { name, version },
    { capabilities: { tools: {} }, ...(instructions !== undefined && { instructions }) },
  );
  const byName = new Map(tools.map(({ tool }) => [tool.name, tool]));
  for (const { tool, isReadOnly } of tools) {
    const inputSchema = fromJsonSchema<Json>(tool.inputSchema, {
      // The tool checks its input itself.
      getValidator: () => (input) => ({
        valid: true,
        data: input as never,
        errorMessage: undefined,
      }),
    });
    const isIdempotent = tool.delivery === "at_least_once";
    server.registerTool(
      tool.name,
      {
        description: tool.description,
        inputSchema,
        annotations: { readOnlyHint: isReadOnly, idempotentHint: isIdempotent },
      },
      async (input, context) => await call(byName, tool.name, input, context, options),
    );
  }
  return server;
}

async function call(
  tools: ReadonlyMap<string, Tool>,
  tool_name: string,
  input: Json,
  { mcpReq }: ServerContext,
  { clock, random }: ServeToolsOptions,
): Promise<CallToolResult> {
  using abort = linked(mcpReq.signal);
  const given = mcpReq._meta?.[idempotencyMetaKey];
  const idempotencyKey = typeof given === "string" ? given : random.uuid();
  const tool_call_id = String(mcpReq.id);
  const progressToken = mcpReq._meta?.progressToken;
  let progress = 0;
  const [outcome] = await runBatch(
    [{ call: { type: "tool-call", tool_call_id, tool_name, input }, idempotencyKey }],
    {
      chatId: "",
      tools,
      clock,
      signal: abort.signal,
      onProgress: (_call, value) => {
        if (progressToken === undefined) return;
        progress += 1;
        const message = typeof value === "string" ? value : JSON.stringify(value);
        const params = { progressToken, progress, message };
        // For people: where it cannot be sent, the call goes on without.
        mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
      },
    },
  );
  const result = outcome?.result;
  if (result === undefined) throw new Error("the call has no result");
  return { ...contentOf(result.output), isError: result.is_error };
}

function contentOf(output: Json): Pick<CallToolResult, "content"> {
  if (typeof output === "string") return { content: [{ type: "text", text: output }] };
  const items = contentItems(output);
  if (items !== null) return { content: items.map(blockOf) };
  return { content: [{ type: "text", text: JSON.stringify(output) }] };
}

function blockOf(item: OutputItem): ContentBlock {
  switch (item.type) {
    case "text":
      return { type: "text", text: item.text };
    case "file":
      return item.data !== undefined && item.media_type.startsWith("image/")
        ? { type: "image", mimeType: item.media_type, data: item.data }
        : {
            type: "resource",
            resource: {
              uri: item.url ?? `file:///${item.filename ?? "file"}`,
              mimeType: item.media_type,
              blob: item.data ?? "",
            },
          };
    case "resource":
      return { type: "resource_link", uri: item.uri, name: item.title ?? item.uri };
  }
}
