import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const file = join(import.meta.dirname, "pinned.json");

const pinnedSchema = z.record(z.string(), z.strictObject({ seed: z.string(), atMs: z.number() }));

/** Seeds with which mutations were found last, and when in their runs: tried first, so that they are found in seconds. */
export type Pinned = z.infer<typeof pinnedSchema>;

export function pinnedSeeds(): Pinned {
  return pinnedSchema.parse(JSON.parse(readFileSync(file, "utf8")));
}

/** Keeps the others as they are. */
export function pinSeeds(found: Pinned): void {
  const all = Object.entries({ ...pinnedSeeds(), ...found });
  const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(sorted, null, 2)}\n`);
}
