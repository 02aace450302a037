import { z } from "zod";
import { defineTool, type Tool } from "../tool.ts";
import { commandTools } from "./command-tools.ts";
import type { Workspace } from "./workspace.ts";

/** A tool, and what its server says of it. */
export interface ServedTool {
  readonly tool: Tool;
  readonly isReadOnly: boolean;
}

const contentCharsMax = 4 * 1024 * 1024;
const linesDefault = 2_000;
const contextLinesMax = 20;
const searchTimeoutMs = 60_000;
/** Pages and matches are cut where they are made; this is for pictures. */
const outputBytesMax = 2 * 1024 * 1024;

const path = z.string().min(1).describe("Relative to the workspace.");

/** What a coding agent lives on. */
export function workspaceTools(workspace: Workspace): ServedTool[] {
  const { processes } = workspace;
  return [...fileTools(workspace), ...(processes === null ? [] : commandTools(processes))];
}

function fileTools({ files, search }: Workspace): ServedTool[] {
  return [
    reading(
      defineTool({
        name: "read_file",
        description:
          "Reads a text file, with line numbers, or shows a picture. Long files come in pages: go on with `offset`.",
        input: z.strictObject({
          path,
          offset: z.int().min(1).default(1).describe("The first line."),
          limit: z.int().min(1).max(linesDefault).default(linesDefault).describe("Lines at most."),
        }),
        outputBytesMax,
        delivery: "at_least_once",
        execute: async (input) => await files.read(input.path, input.offset, input.limit),
      }),
    ),
    reading(
      defineTool({
        name: "list_folder",
        description:
          "Lists a folder: folders end in /, links in @, files have their size in bytes.",
        input: z.strictObject({ path: path.default(".") }),
        outputBytesMax,
        delivery: "at_least_once",
        execute: async (input) => await files.list(input.path),
      }),
    ),
    reading(
      defineTool({
        name: "find_files",
        description:
          "Finds files by name. A glob without a slash is about the name alone: `*.ts`, `src/**/*.test.ts`.",
        input: z.strictObject({ glob: z.string().min(1).max(1_000), path: path.default(".") }),
        outputBytesMax,
        timeoutMs: searchTimeoutMs,
        delivery: "at_least_once",
        execute: async (input, { signal }) => await search.files(input.path, input.glob, signal),
      }),
    ),
    reading(
      defineTool({
        name: "search_files",
        description:
          "Searches the text of files with a regular expression, in a folder or one file. Answers `file:line:text`.",
        input: z.strictObject({
          pattern: z.string().min(1).max(1_000),
          path: path.default("."),
          glob: z.string().min(1).max(1_000).optional().describe("Only files that fit."),
          ignore_case: z.boolean().default(false),
          context_lines: z.int().min(0).max(contextLinesMax).default(0),
        }),
        outputBytesMax,
        timeoutMs: searchTimeoutMs,
        delivery: "at_least_once",
        execute: async ({ glob = null, ignore_case, context_lines, ...query }, { signal }) =>
          await search.text(
            { ...query, glob, ignoreCase: ignore_case, contextLines: context_lines },
            signal,
          ),
      }),
    ),
    changing(
      defineTool({
        name: "write_file",
        description:
          "Makes a file, or replaces all of it. Missing folders are made. To change a part of a file, use edit_file.",
        input: z.strictObject({ path, content: z.string().max(contentCharsMax) }),
        execute: async (input) => await files.write(input.path, input.content),
      }),
    ),
    changing(
      defineTool({
        name: "edit_file",
        description:
          "Replaces text in a file. `old_text` must be there exactly as given, and once, unless `replace_all` is set.",
        input: z.strictObject({
          path,
          old_text: z.string().max(contentCharsMax),
          new_text: z.string().max(contentCharsMax),
          replace_all: z.boolean().default(false),
        }),
        execute: async (input) =>
          await files.edit(input.path, input.old_text, input.new_text, input.replace_all),
      }),
    ),
  ];
}

function reading(tool: Tool): ServedTool {
  return { tool, isReadOnly: true };
}

function changing(tool: Tool): ServedTool {
  return { tool, isReadOnly: false };
}
