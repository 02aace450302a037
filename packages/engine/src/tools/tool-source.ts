import type { Tool } from "./tool.ts";

/** Tools that come and go: those of MCP servers. Answers at once, from what is known. */
export interface ToolSource {
  /** Also for a tool that is not offered right now, where it may be again by the time it is called. */
  get(name: string): Tool | undefined;
  /** What can be offered, in an order that is the same on every replica. */
  list(): readonly Tool[];
}
