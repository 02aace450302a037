import { describe, expect, test } from "vitest";
import { checkerNames } from "../checkers/verdict.ts";
import { hunt } from "./hunt.ts";
import { mutations } from "./mutations.ts";

/** `all`: also those that take many seeds to show. */
const wanted = process.env["PARLEY_TEST_SIM_MUTATIONS"] ?? "quick";

describe("every checker", () => {
  test("has a bug put in on purpose that it must find", () => {
    const guarded = new Set(mutations.map(({ checker }) => checker));
    expect(checkerNames.filter((checker) => !guarded.has(checker))).toEqual([]);
  });

  test("finds it", async () => {
    const names = mutations
      .filter(({ takesLong }) => wanted === "all" || takesLong !== true)
      .map(({ name }) => name);
    expect(names.length).toBeGreaterThan(8);
    expect(await hunt({ names, jobs: 2, minutes: 1 })).toEqual([]);
  });
});
