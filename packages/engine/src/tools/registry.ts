import type { JsonObject } from "@parley/protocol";
import type { Tool } from "./tool.ts";

/** What a model is told of a tool. */
export interface ToolOffer {
  name: string;
  description: string;
  input_schema: JsonObject;
}

/** The server tools of one replica, by name. */
export class ToolRegistry {
  readonly #tools = new Map<string, Tool>();

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

  get(name: string): Tool | undefined {
    return this.#tools.get(name);
  }

  /** All tools, or those offered to a `provider/model`, in the order of registration. */
  list(model?: string): Tool[] {
    const tools = [...this.#tools.values()];
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
