import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * A database that is migrated, kept as a file: to make one takes ten times the processor that reading it does. It is
 * named after what it was made of.
 */
const folder = join(import.meta.dirname, "../../../../node_modules/.cache/parley-sim");

export async function findSnapshot(schema: readonly string[]): Promise<Blob | null> {
  try {
    return new Blob([await readFile(join(folder, nameOf(schema)))]);
  } catch {
    return null;
  }
}

/** Does without where nothing can be written. */
export async function keepSnapshot(schema: readonly string[], data: Blob): Promise<void> {
  const name = nameOf(schema);
  const unfinished = join(folder, `${name}.${process.pid}`);
  try {
    await mkdir(folder, { recursive: true });
    for (const old of await readdir(folder)) {
      // oxlint-disable-next-line no-await-in-loop
      if (old.endsWith(".tar")) await rm(join(folder, old), { force: true });
    }
    await writeFile(unfinished, Buffer.from(await data.arrayBuffer()));
    // Whole or not at all, whoever else looks.
    await rename(unfinished, join(folder, name));
  } catch {
    await rm(unfinished, { force: true });
  }
}

function nameOf(schema: readonly string[]): string {
  const hash = createHash("sha256");
  for (const sql of schema) hash.update(sql).update("\0");
  return `${hash.digest("hex").slice(0, 16)}.tar`;
}
