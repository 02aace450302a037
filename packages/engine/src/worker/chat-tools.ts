import type { ChatServers } from "../machine/chat-servers.ts";
import type { McpServerDefinition } from "../tools/mcp/definition.ts";
import type { McpTools } from "../tools/mcp/mcp-tools.ts";
import { serverOf } from "../tools/mcp/tool-name.ts";
import type { ToolOffer, ToolRegistry } from "../tools/registry.ts";
import type { Tool } from "../tools/tool.ts";
import type { ToolSource } from "../tools/tool-source.ts";

/** How a worker comes by the tools of MCP servers. */
export interface WorkerMcp {
  readonly tools: McpTools;
  /** What chats bring along. */
  readonly servers: ChatServers;
}

export interface BroughtAlong {
  readonly definitions: readonly McpServerDefinition[];
  readonly source: ToolSource;
  /** There are servers, and what is needed to reach them cannot be read any more. */
  readonly isLost: boolean;
}

const nothing: BroughtAlong = {
  definitions: [],
  source: { get: () => undefined, list: () => [] },
  isLost: false,
};

/** What the model of one chat may call: the replica's own tools, which win, and those of servers that the chat brought along. */
export class ChatTools {
  readonly #registry: ToolRegistry;
  readonly #own: BroughtAlong;
  readonly #servers: ReadonlySet<string>;

  constructor(registry: ToolRegistry, own: BroughtAlong = nothing) {
    this.#registry = registry;
    this.#own = own;
    this.#servers = new Set(own.definitions.map(({ name }) => name));
  }

  get definitions(): readonly McpServerDefinition[] {
    return this.#own.definitions;
  }

  get isLost(): boolean {
    return this.#own.isLost;
  }

  get(name: string): Tool | undefined {
    return this.#registry.get(name) ?? this.#own.source.get(name);
  }

  /** Whether a tool of this name would be one of the chat's own: every worker has those, or none. */
  isOwn(name: string): boolean {
    return this.#servers.has(serverOf(name) ?? "");
  }

  offers(model: string): ToolOffer[] {
    const offers = this.#registry.offers(model);
    const names = new Set(offers.map(({ name }) => name));
    const own = this.#own.source.list().filter(({ name }) => !names.has(name));
    return [
      ...offers,
      ...own.map(({ name, description, inputSchema }) => ({
        name,
        description,
        input_schema: inputSchema,
      })),
    ];
  }
}
