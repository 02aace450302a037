import { expect, test } from "vitest";
import { backoffCeilingMs, backoffMs } from "./backoff.ts";
import { seededRandom } from "./random.ts";

const options = { baseMs: 1_000, maxMs: 60_000 };

test("the ceiling doubles from the base and stops at the maximum", () => {
  const ceilings = [1, 2, 3, 6, 7, 8, 1_000].map((attempt) => backoffCeilingMs(attempt, options));
  expect(ceilings).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
});

test("the jitter is full: anything from nothing to the ceiling", () => {
  const random = seededRandom(1);
  const waits = Array.from({ length: 1_000 }, () => backoffMs(3, options, random));
  expect(Math.min(...waits)).toBeLessThan(100);
  expect(Math.max(...waits)).toBeGreaterThan(3_900);
  expect(Math.max(...waits)).toBeLessThanOrEqual(4_000);
});
