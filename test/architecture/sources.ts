import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder, absolute. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** `import type` and `export type`: gone at run time. */
  readonly typeOnly: boolean;
}

const foldersNotOurs = new Set(["node_modules", "dist", "coverage", ".git", ".parley"]);

/** Every text file of the repository, whether committed or not. */
export function readSources(folder = root): Source[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): Source[] => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return foldersNotOurs.has(entry.name) ? [] : readSources(path);
    if (!entry.isFile() || !isText(entry.name)) return [];
    return [{ path: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }];
  });
}

function isText(name: string): boolean {
  return /^(run|LICENSE|\.\w+)$|\.(ts|tsx|js|mjs|json|jsonc|jsonl|md|sql|svg|html|css|yml|yaml|sh)$/.test(
    name,
  );
}

export function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path) || /^(packages\/[^/]+\/)?(test|bench|sim)\//.test(path);
}

export function importsOf(text: string): Import[] {
  const found: Import[] = [];
  const code = withoutComments(text);
  const pattern =
    /(?:^|[;\n])\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\bfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;
  for (const match of code.matchAll(pattern)) {
    const from = match[2] ?? match[3];
    if (from !== undefined) found.push({ from, typeOnly: match[1] !== undefined });
  }
  return found;
}

/** Comments become blanks, so that a comment about `Date.now` is not a call of it. Lines keep their numbers. */
export function withoutComments(text: string): string {
  const pattern = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(pattern, (whole, string: string | undefined) =>
    string === undefined ? whole.replace(/[^\n]/g, " ") : whole,
  );
}

export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
