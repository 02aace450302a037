import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const failedSchema = z.array(
  z.strictObject({
    seed: z.string(),
    minutes: z.number(),
    /** What it found, in a few words. */
    found: z.string(),
  }),
);

/** A seed that once failed, and is run for ever after. */
export type FailedSeed = z.infer<typeof failedSchema>[number];

export const failedSeedsFile = join(import.meta.dirname, "failed-seeds.json");

export function failedSeeds(): FailedSeed[] {
  return failedSchema.parse(JSON.parse(readFileSync(failedSeedsFile, "utf8")));
}

/** The commit that is checked out, or null where there is no history: in an archive, say. */
export function commitHash(): string | null {
  try {
    const args = ["rev-parse", "--short=12", "HEAD"];
    return execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
  } catch {
    return null;
  }
}

/** What runs in a simulation and is under test: commits that touch nothing of it draw no new seeds. */
const underTest = [
  ...["protocol", "client", "engine"].map((name) => `:/packages/${name}/src`),
  ":/packages/engine/migrations",
  ":(top,exclude,glob)packages/*/src/**/*.test.ts",
];

/** The newest commit that changes what is under test; of a shallow history the oldest that is there. */
export function commitUnderTest(): string | null {
  try {
    const args = ["log", "-1", "--format=%H", "--", ...underTest];
    const found = execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
    return found === "" ? null : found.slice(0, 12);
  } catch {
    return null;
  }
}

/** Each version of the engine is tried on seeds of its own: over time there are many. */
export function newSeeds(count: number, base = commitUnderTest() ?? "no-commit"): string[] {
  return Array.from({ length: count }, (_, i) => `${base}-${i + 1}`);
}
