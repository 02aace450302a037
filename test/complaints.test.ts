import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isTest, readSources, root } from "./architecture/sources.ts";

/** `docs/complaints.md` says of each failure that others had which test shows that it cannot happen here: by its very title. */

const count = 42;
const numbers = Array.from({ length: count }, (_, at) => `C${String(at + 1).padStart(2, "0")}`);

interface NamedTest {
  number: string;
  path: string;
  title: string;
}

/** A title ends with the numbers that it answers: `keeps what was said (C05, C06)`. */
const titles: NamedTest[] = readSources()
  .filter(({ path }) => isTest(path) && path.endsWith(".ts"))
  .flatMap(({ path, text }) =>
    [...text.matchAll(/"((?:[^"\\\n]|\\.)*) \((C\d\d(?:, C\d\d)*)\)"/g)].flatMap(
      ([, title = "", named = ""]) =>
        named
          .split(", ")
          .map((number) => ({ number, path: path.replace(/^packages\//, ""), title })),
    ),
  );

const rows = readFileSync(join(root, "docs/complaints.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| C\d\d \|/.test(line))
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));

const listed: NamedTest[] = rows.flatMap(([number = "", , , shown = ""]) =>
  shown.split("<br>").map((entry) => {
    const [, path = "", title = ""] = /^`([^`]+)`: (.+)$/.exec(entry.trim()) ?? [];
    return { number, path, title };
  }),
);

const inOrder = (tests: readonly NamedTest[]): string[] =>
  tests.map(({ number, path, title }) => `${number} ${path}: ${title}`).toSorted();

describe("other people's failures", () => {
  it("are listed, each with a test", () => {
    expect(rows.map(([number]) => number)).toEqual(numbers);
    expect(listed.filter(({ path }) => !existsSync(join(root, "packages", path)))).toEqual([]);
  });

  it("each have a test whose title carries the number", () => {
    const named = new Set(titles.map(({ number }) => number));
    expect(numbers.filter((number) => !named.has(number))).toEqual([]);
  });

  it("are paired with exactly the tests that name them", () => {
    expect(inOrder(listed)).toEqual(inOrder(titles));
  });
});
