import { expect, test } from "vitest";
import { diff, Stats } from "./stats.ts";

test("since gives only what happened in between, by operation and in all", () => {
  const stats = new Stats();
  stats.add("old", "reads");
  stats.add("busy", "writes");
  const before = stats.snapshot();
  stats.add("busy", "writes");
  stats.add("busy", "statements");
  stats.add("new", "reads");
  const change = stats.since(before);
  expect(Object.keys(change.operations)).toEqual(["busy", "new"]);
  expect(change.operations["busy"]).toMatchObject({ writes: 1, statements: 1, reads: 0 });
  expect(change.total).toMatchObject({ writes: 1, statements: 1, reads: 1 });
  expect(before.operations["busy"]).toMatchObject({ writes: 1 });
  expect(diff(before, before)).toMatchObject({ operations: {}, total: { writes: 0 } });
});
