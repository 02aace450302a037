import { describe, expect, test } from "vitest";
import { checkerNames } from "../checkers/verdict.ts";
import { hunt } from "./hunt.ts";
import { mutations } from "./mutations.ts";

describe("every checker", () => {
  test("has a bug put in on purpose that it must find", () => {
    const guarded = new Set(mutations.map(({ checker }) => checker));
    expect(checkerNames.filter((checker) => !guarded.has(checker))).toEqual([]);
  });

  test("finds it", async () => {
    expect(mutations.length).toBeGreaterThan(8);
    expect(await hunt({ jobs: 2, minutes: 1 })).toEqual([]);
  });
});
