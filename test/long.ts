/** `npm run fuzz -- --minutes N` and `npm run faults -- --minutes N`: what the tests do for seconds, for minutes. */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { networkNamespaces } from "./services.ts";

const root = join(import.meta.dirname, "..");
const kinds = {
  /** The properties share the time. */
  fuzz: {
    files: "packages/engine/test/fuzz/*.test.ts",
    variable: "PARLEY_FUZZ_SECONDS",
    parts: 17,
  },
  faults: {
    files: "packages/engine/test/faults*.test.ts",
    variable: "PARLEY_FAULT_SECONDS",
    parts: 1,
  },
} as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: "string", default: "10" } },
});
const [name = ""] = positionals;
const minutes = Number(values.minutes);
if (!(name in kinds) || !(minutes > 0)) {
  console.error("usage: npm run fuzz -- --minutes 10, npm run faults -- --minutes 10");
  process.exit(2);
}
const { files, variable, parts } = kinds[name as keyof typeof kinds];
const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    ...globSync(files, { cwd: root }),
    "--project=unit",
    "--project=pg18",
    ...(networkNamespaces() === undefined ? [] : ["--project=netns"]),
    "--no-file-parallelism",
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, [variable]: String((minutes * 60) / parts) },
  },
);
process.exit(status ?? 1);
