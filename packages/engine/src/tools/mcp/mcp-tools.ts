import type { Json, JsonObject } from "@parley/protocol";
import { linked } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { Scope } from "../../lib/scope.ts";
import type { Delivery, Tool, ToolContext } from "../tool.ts";
import type { ToolSource } from "../tool-source.ts";
import { outputOf, textOf } from "./call-result.ts";
import type { Connection } from "./connection.ts";
import { ConnectionPool } from "./connection-pool.ts";
import { endpointSecrets, isAllowed, type McpServerDefinition } from "./definition.ts";
import { type Dial, sdkDial } from "./dial.ts";
import type { Reach } from "./reach.ts";
import { callFailure, ServerUnreachable } from "./problems.ts";
import type { RemoteTool } from "./remote-tool.ts";
import { serverOf, toolName } from "./tool-name.ts";

/**
 * Time for servers to say what they have: the deployment's at the start of a replica, a chat's when they are first asked. What
 * comes later is there for the next step.
 */
const firstListsMs = 5_000;

const tooMany = "too many tool servers are in use";

/** The key in a call's `_meta` under which a server finds what is the same for every run of the call. */
export const idempotencyMetaKey = "parley/idempotency-key";

export interface McpToolsOptions {
  /** The deployment's servers: for every chat. */
  readonly servers: readonly McpServerDefinition[];
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where servers of chats may be. Default: on the public internet. */
  readonly reach?: Reach;
  /** Instead of the SDK's connections. */
  readonly dial?: Dial;
}

export interface McpServerStatus {
  readonly server: string;
  /** Tools that can be offered; null where the server has never said. */
  readonly tools: number | null;
  /** Why it cannot be used; null where nothing is known to be wrong. */
  readonly problem: string | null;
}

/** `unknown`: it has not been asked here. */
export type ServerHealth =
  | { readonly server: string; readonly state: "up" | "unknown" }
  | { readonly server: string; readonly state: "down"; readonly problem: string };

/**
 * The tools of MCP servers. Connections are made and re-made in the background and shared by all chats; who asks for
 * tools gets the last known ones at once, and only a call waits for its server, within limits and as long as its signal lets
 * it.
 */
export class McpTools {
  readonly #options: McpToolsOptions;
  readonly #scope: Scope;
  readonly #pool: ConnectionPool;
  /** The deployment's. */
  readonly source: ToolSource;

  constructor(options: McpToolsOptions) {
    const { clock, random, logger, servers } = options;
    this.#options = options;
    this.#scope = new Scope((err, label) => logger.error({ err, label }, "background work failed"));
    this.#pool = new ConnectionPool({
      dial: options.dial ?? sdkDial(options.version, options.reach),
      pinned: servers.map(({ endpoint }) => endpoint),
      scope: this.#scope,
      clock,
      random,
      logger,
    });
    this.source = this.of(servers);
  }

  /** Connects to the deployment's servers, and waits a little: whoever takes chats should know their tools. */
  async start(): Promise<void> {
    await this.ready(this.#options.servers);
  }

  /** The tools of some servers: those that a chat brought along, say. */
  of(definitions: readonly McpServerDefinition[]): ToolSource {
    const byName = new Map(definitions.map((definition) => [definition.name, definition]));
    return {
      list: () => definitions.flatMap((definition) => this.#list(definition)),
      get: (name) => {
        const definition = byName.get(serverOf(name) ?? "");
        return definition && this.#get(definition, name);
      },
    };
  }

  /** Waits until each of the servers has said what it has or has failed to, at most `ms`, or until the signal aborts. */
  async known(
    definitions: readonly McpServerDefinition[],
    ms: number,
    signal?: AbortSignal,
  ): Promise<void> {
    using wait = linked(signal, this.#scope.signal);
    const timer = this.#options.clock.timer(ms, "mcp.known", () => wait.abort());
    const connections = definitions.map((definition) => this.#connection(definition));
    try {
      await Promise.all(connections.map(async (each) => await each?.known(wait.signal)));
    } finally {
      timer.cancel();
    }
  }

  /**
   * Waits a little for servers that nobody has asked before. One that does not answer is waited for once, by one of those
   * who want it, and not again before it has answered.
   */
  async ready(definitions: readonly McpServerDefinition[], signal?: AbortSignal): Promise<void> {
    const unknown = definitions.filter((definition) => {
      const connection = this.#connection(definition);
      return connection !== null && connection.tools === null && connection.outage === null;
    });
    if (unknown.length === 0) return;
    await this.known(unknown, firstListsMs, signal);
    if (signal?.aborted === true) return;
    for (const definition of unknown) this.#connection(definition)?.waitedInVain();
  }

  /** How it stands with servers; the deployment's come first. */
  health(definitions: readonly McpServerDefinition[] = []): ServerHealth[] {
    return [...this.#options.servers, ...definitions].map((definition) => {
      const server = definition.name;
      const connection = this.#connection(definition);
      const problem = connection === null ? tooMany : connection.outage;
      if (problem !== null) return { server, state: "down", problem };
      return { server, state: connection?.tools === null ? "unknown" : "up" };
    });
  }

  status(definitions: readonly McpServerDefinition[] = this.#options.servers): McpServerStatus[] {
    return definitions.map((definition) => {
      const connection = this.#connection(definition);
      const tools = connection?.tools ?? null;
      return {
        server: definition.name,
        tools: tools && [...tools.keys()].filter((name) => isAllowed(definition, name)).length,
        problem: connection === null ? tooMany : connection.problem,
      };
    });
  }

  async stop(): Promise<void> {
    await this.#scope.stop(new Error("the server is stopping"));
  }

  #connection(definition: McpServerDefinition): Connection | null {
    return this.#pool.get(definition);
  }

  #list(definition: McpServerDefinition): Tool[] {
    const connection = this.#connection(definition);
    connection?.touch();
    return [...offered(definition, connection?.tools ?? null)].map(([name, tool]) =>
      this.#toolOf(definition, name, tool),
    );
  }

  /**
   * A name of a server whose list is not known here (a replica that has just started took the chat over) is taken on
   * trust: the call finds out. It is treated as carefully as the definition knows how to.
   */
  #get(definition: McpServerDefinition, name: string): Tool | undefined {
    const tools = this.#connection(definition)?.tools ?? null;
    const tool = offered(definition, tools).get(name);
    return tool === undefined && tools !== null
      ? undefined
      : this.#toolOf(definition, name, tool ?? null);
  }

  #toolOf(definition: McpServerDefinition, name: string, tool: RemoteTool | null): Tool {
    const { approval, timeoutMs, outputBytesMax } = definition;
    return {
      name,
      description: tool?.description ?? "",
      inputSchema: tool?.inputSchema ?? { type: "object" },
      timeoutMs,
      outputBytesMax,
      approval:
        approval === "always" || (approval === "unless_read_only" && tool?.isReadOnly !== true),
      delivery: deliveryOf(definition, tool),
      offeredTo: () => true,
      // The server knows its schema better than we do.
      validate: (input) =>
        isObject(input)
          ? { ok: true, input }
          : { ok: false, problem: "input: must be a JSON object" },
      execute: async (input, context) =>
        await this.#call(definition, name, isObject(input) ? input : {}, context),
    };
  }

  async #call(
    definition: McpServerDefinition,
    name: string,
    args: JsonObject,
    { signal, idempotencyKey, progress }: ToolContext,
  ): Promise<Json> {
    const { name: server, timeoutMs, outputBytesMax } = definition;
    const connection = this.#connection(definition);
    if (connection === null)
      throw new Error(`Too many tool servers are in use; "${server}" waits.`);
    await connection.known(signal);
    signal.throwIfAborted();
    const tool = offered(definition, connection.tools).get(name);
    if (connection.tools === null) {
      throw new ServerUnreachable(server, connection.problem ?? "it has not answered yet");
    }
    if (tool === undefined) {
      throw new Error(`The tool server "${server}" has no tool of this name (any more).`);
    }
    try {
      const result = await connection.call({
        tool: tool.name,
        args,
        signal,
        timeoutMs,
        meta: { [idempotencyMetaKey]: idempotencyKey },
        onProgress: ({ progress: done, total, message }) => {
          progress({ progress: done, total, message } as unknown as Json);
        },
      });
      if (result.isError === true) throw new ToolFailed(textOf(result, outputBytesMax));
      return outputOf(result, outputBytesMax);
    } catch (error) {
      if (error instanceof ToolFailed || signal.aborted) throw error;
      throw callFailure(server, error, endpointSecrets(definition.endpoint));
    }
  }
}

/** The tool ran, and says that it failed. */
class ToolFailed extends Error {
  override readonly name = "ToolFailed";
}

/** What the definition lets through, under the names that models see. */
function offered(
  definition: McpServerDefinition,
  tools: ReadonlyMap<string, RemoteTool> | null,
): Map<string, RemoteTool> {
  const named = new Map<string, RemoteTool>();
  for (const tool of tools?.values() ?? []) {
    const name = toolName(definition.name, tool.name);
    if (isAllowed(definition, tool.name) && !named.has(name)) named.set(name, tool);
  }
  return named;
}

function deliveryOf({ delivery }: McpServerDefinition, tool: RemoteTool | null): Delivery {
  if (delivery !== "annotated") return delivery;
  const isSafe = tool !== null && (tool.isReadOnly || tool.isIdempotent);
  return isSafe ? "at_least_once" : "at_most_once";
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
