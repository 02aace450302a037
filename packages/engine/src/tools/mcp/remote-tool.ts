import type { Tool as ListedTool } from "@modelcontextprotocol/client";
import type { JsonObject } from "@parley/protocol";
import { storableJson, storableText } from "../../lib/storable.ts";
import { cutText } from "../cut-output.ts";

/** A tool as its server lists it, cut to what we are ready to keep and to show to a model. */
export interface RemoteTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly isReadOnly: boolean;
  readonly isIdempotent: boolean;
}

/** More tools than that help no model, and every one of them costs tokens in each call. */
const toolsMax = 256;
const nameCharsMax = 256;
const descriptionBytesMax = 8 * 1024;
const schemaBytesMax = 64 * 1024;
/** Of all that is kept of one list: there may be many servers, and some are strangers'. */
const listBytesMax = 1024 * 1024;

/** The tools that can be offered, by name, in an order that is the same on every replica; and how many could not. */
export function remoteTools(listed: readonly ListedTool[]): {
  readonly tools: ReadonlyMap<string, RemoteTool>;
  readonly dropped: number;
} {
  const tools = new Map<string, RemoteTool>();
  const byName = listed.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  let bytesLeft = listBytesMax;
  for (const tool of byName) {
    const inputSchema = schemaOf(tool);
    const isUsable = inputSchema !== null && tool.name !== "" && tool.name.length <= nameCharsMax;
    if (!isUsable || tools.size >= toolsMax || tools.has(tool.name)) continue;
    const { readOnlyHint, idempotentHint } = tool.annotations ?? {};
    const description = cutText(storableText(tool.description ?? ""), descriptionBytesMax);
    const bytes = Buffer.byteLength(description) + Buffer.byteLength(JSON.stringify(inputSchema));
    if (bytes > bytesLeft) continue;
    bytesLeft -= bytes;
    tools.set(tool.name, {
      name: tool.name,
      description,
      inputSchema,
      isReadOnly: readOnlyHint === true,
      isIdempotent: idempotentHint === true,
    });
  }
  return { tools, dropped: listed.length - tools.size };
}

function schemaOf({ inputSchema }: ListedTool): JsonObject | null {
  try {
    const { $schema: _, ...schema } = storableJson(inputSchema) as JsonObject;
    const whole = { ...schema, type: "object" };
    return Buffer.byteLength(JSON.stringify(whole)) <= schemaBytesMax ? whole : null;
  } catch {
    return null;
  }
}
