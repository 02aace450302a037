import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const file = join(import.meta.dirname, "pinned.json");

const pinnedSchema = z.record(z.string(), z.string());

/** By mutation, the seed with which it was found last: tried first, so that it is found in seconds. */
type Pinned = z.infer<typeof pinnedSchema>;

export function pinnedSeeds(): Pinned {
  return pinnedSchema.parse(JSON.parse(readFileSync(file, "utf8")));
}

/** Keeps the others as they are. */
export function pinSeed(mutation: string, seed: string): void {
  const all = Object.entries({ ...pinnedSeeds(), [mutation]: seed });
  const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(sorted, null, 2)}\n`);
}
