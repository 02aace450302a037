import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { ParleyError } from "../lib/errors.ts";
import { defineTool, type Tool, type ToolDefinition } from "./tool.ts";

/** What a module's function is given, so that the module needs no package of ours. */
export interface ToolKit {
  readonly defineTool: typeof defineTool;
  readonly z: typeof z;
}

/** The module with the deployment's tools cannot be used. */
export class ToolsModuleError extends ParleyError {
  constructor(path: string, problem: string, cause?: unknown) {
    super("invalid_tools_module", `PARLEY_TOOLS=${path}: ${problem}`, { cause });
  }
}

/**
 * Loads a JavaScript or TypeScript module whose default export is an array of tools, or a function (async, if need be)
 * that is given `defineTool` and zod and returns one. An entry is what `defineTool` made, or what it takes.
 *
 * @throws ToolsModuleError
 */
export async function loadTools(path: string): Promise<Tool[]> {
  const entries = await entriesOf(path);
  if (!Array.isArray(entries)) {
    const found = entries === undefined ? "there is none" : `it is ${kindOf(entries)}`;
    throw new ToolsModuleError(
      path,
      `the default export must be an array of tools, or a function that returns one; ${found}`,
    );
  }
  const tools = entries.map((entry: unknown, at) => toolOf(path, entry, at));
  const names = new Set<string>();
  for (const { name } of tools) {
    if (names.has(name)) throw new ToolsModuleError(path, `two tools have the name "${name}"`);
    names.add(name);
  }
  return tools;
}

async function entriesOf(path: string): Promise<unknown> {
  let exported: unknown;
  try {
    const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown };
    exported = module.default;
  } catch (cause) {
    throw new ToolsModuleError(path, "the module could not be loaded", cause);
  }
  if (typeof exported !== "function") return exported;
  const make = exported as (kit: ToolKit) => unknown;
  try {
    return await make({ defineTool, z });
  } catch (cause) {
    throw new ToolsModuleError(path, "its default export failed", cause);
  }
}

function toolOf(path: string, entry: unknown, at: number): Tool {
  const given: Partial<ToolDefinition<never>> | null = typeof entry === "object" ? entry : null;
  const name = typeof given?.name === "string" ? ` ("${given.name}")` : "";
  const wrong = (problem: string, cause?: unknown): ToolsModuleError =>
    new ToolsModuleError(path, `tool ${at + 1}${name} ${problem}`, cause);
  if (given === null) throw wrong(`must be an object, and is ${kindOf(entry)}`);
  if (typeof given.name !== "string") throw wrong("has no name");
  if (typeof given.description !== "string") throw wrong("has no description");
  if (typeof given.execute !== "function") throw wrong("has no execute function");
  if (given.delivery !== undefined && !deliveries.includes(given.delivery)) {
    throw wrong(`has an unknown delivery: ${JSON.stringify(given.delivery)}`);
  }
  if (isMade(given)) return given;
  if (typeof given.input !== "object" || given.input === null) {
    throw wrong("has no input: a zod schema or a JSON Schema");
  }
  try {
    return defineTool(given as ToolDefinition<never>);
  } catch (cause) {
    throw wrong("cannot be defined", cause);
  }
}

const deliveries: readonly string[] = ["at_least_once", "at_most_once"];

/** By its shape: it may have been made by another copy of this package. */
function isMade(given: object): given is Tool {
  return "validate" in given && typeof given.validate === "function" && "inputSchema" in given;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
