import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createTestDatabase } from "./postgres.ts";
import { databaseUrl } from "./server-process.ts";

const main = fileURLToPath(new URL("../demo/main.ts", import.meta.url));

test("the demo: an agent mends a project while it is steered, and a third joins late", async (context) => {
  const database = await createTestDatabase();
  const child = spawn(process.execPath, [main, "--fast"], {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      PARLEY_DATABASE_URL: databaseUrl(database),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  context.onTestFinished(async () => {
    child.kill("SIGKILL");
    await database.drop();
  });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
  }
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect({ code, out }).toEqual({
    code: 0,
    out: expect.stringMatching(/✓ the fault is mended\n✓ the tests pass\n/),
  });
  const checks = out.split("\n").filter((line) => /^[✓✗] /.test(line));
  expect(checks).toHaveLength(5);
  expect(checks.every((line) => line.startsWith("✓"))).toBe(true);
  expect(out).toMatch(/^first .*ended with exit code 1/m);
  expect(out).toMatch(/^third .*All 3 tests pass/m);
  // Nobody's screen was wrong at any time about what is kept.
  expect(out).not.toContain("what was kept differs");
});
