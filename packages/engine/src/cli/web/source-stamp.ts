import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** What the built application is made of, relative to the folder of all packages. */
const sources = [
  "web/index.html",
  "web/package.json",
  "web/vite.config.ts",
  "web/build",
  "web/public",
  "web/src",
  "client/src",
  "protocol/src",
];

/**
 * Names the state of the application's sources: by what is in them, since times tell nothing after a copy or a checkout.
 * Null: they are not here, as in an image that carries only what was built of them.
 */
export async function sourceStamp(packages: string): Promise<string | null> {
  try {
    const hash = createHash("sha256");
    const files = (await Promise.all(sources.map((path) => filesIn(packages, path)))).flat();
    const texts = await Promise.all(files.map((path) => readFile(join(packages, path))));
    for (const [at, path] of files.entries()) hash.update(`${path}\0`).update(texts[at] ?? "");
    return hash.digest("base64url");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function filesIn(packages: string, path: string): Promise<string[]> {
  if ((await stat(join(packages, path))).isFile()) return [path];
  const entries = await readdir(join(packages, path), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(packages.length + 1))
    .sort();
}
