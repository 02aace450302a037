import { afterAll, expect, test } from "vitest";
import { ManualClock } from "../../lib/manual-clock.ts";
import { seededRandom } from "../../lib/random.ts";
import { systemClock } from "../../lib/clock.ts";
import { SchemaChecker } from "../../schemas/checker.ts";
import { Cancelled } from "../tasks/context.ts";
import { checkPatiently } from "./patient-check.ts";

const works = new SchemaChecker({ clock: systemClock });
const broken = new SchemaChecker({
  clock: systemClock,
  script: new URL("./no-such-thread.ts", import.meta.url),
});
afterAll(async () => await Promise.all([works.stop(), broken.stop()]));

const schema = { type: "integer" };

/** Goes on with whoever waits, until there is a verdict. */
async function verdictBy(checkers: readonly SchemaChecker[], signal: AbortSignal) {
  const clock = new ManualClock();
  const left = [...checkers];
  const schemas = {
    check: async (...asked: Parameters<SchemaChecker["check"]>) =>
      await (left.shift() ?? broken).check(...asked),
  };
  const random = seededRandom("patience", clock);
  const checking = checkPatiently({ schemas, clock, random, signal }, schema, "7");
  const over = checking.then(
    () => true,
    () => true,
  );
  while (
    !(await Promise.race([over, clock.waitForTimer("runner.schema_check").then(() => false)]))
  ) {
    await clock.advance(10_000);
  }
  return await checking;
}

const { signal } = new AbortController();

test("a reply is checked as soon as somebody can", async () => {
  expect(await verdictBy([broken, broken, works], signal)).toEqual({ kind: "valid" });
});

test("where nobody can in the end, the turn ends with that", async () => {
  expect(await verdictBy([], signal)).toMatchObject({
    kind: "unusable",
    reason: expect.stringContaining("cannot be checked"),
  });
});

test("who is stopped meanwhile commits no verdict", async () => {
  await expect(verdictBy([], AbortSignal.abort())).rejects.toBeInstanceOf(Cancelled);
});
