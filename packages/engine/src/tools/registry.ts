import type { JsonObject } from "@parley/protocol";
import type { Tool } from "./tool.ts";
import type { ToolSource } from "./tool-source.ts";

/** What a model is told of a tool. */
export interface ToolOffer {
  name: string;
  description: string;
  input_schema: JsonObject;
}

/** The server tools of one replica, by name: registered ones, which win, and those of sources. */
export class ToolRegistry {
  readonly #tools = new Map<string, Tool>();
  readonly #sources: ToolSource[] = [];

  constructor(tools: Iterable<Tool> = []) {
    for (const tool of tools) this.register(tool);
  }

  /**
   * Returns the function that takes the tool away again.
   *
   * @throws RangeError when another tool has the name.
   */
  register(tool: Tool): () => void {
    if (this.#tools.has(tool.name)) throw new RangeError(`there is a tool "${tool.name}" already`);
    this.#tools.set(tool.name, tool);
    return () => {
      if (this.#tools.get(tool.name) === tool) this.#tools.delete(tool.name);
    };
  }

  /** Tools that come and go. Of two sources with a tool of one name, the first counts. */
  addSource(source: ToolSource): void {
    this.#sources.push(source);
  }

  get(name: string): Tool | undefined {
    const registered = this.#tools.get(name);
    if (registered !== undefined) return registered;
    for (const source of this.#sources) {
      const tool = source.get(name);
      if (tool !== undefined) return tool;
    }
    return undefined;
  }

  /** All tools, or those offered to a `provider/model`, in the order of registration, then of their sources. */
  list(model?: string): Tool[] {
    const byName = new Map(this.#tools);
    for (const tool of this.#sources.flatMap((source) => source.list())) {
      if (!byName.has(tool.name)) byName.set(tool.name, tool);
    }
    const tools = [...byName.values()];
    return model === undefined ? tools : tools.filter((tool) => tool.offeredTo(model));
  }

  offers(model: string): ToolOffer[] {
    return this.list(model).map(({ name, description, inputSchema }) => ({
      name,
      description,
      input_schema: inputSchema,
    }));
  }
}
