import { expect, test } from "vitest";
import { ageOf } from "./when.ts";

const now = Date.parse("2026-06-15T12:00:00Z");

test.each([
  ["2026-06-15T11:59:30Z", /now/],
  ["2026-06-15T11:55:00Z", /5 minutes ago/],
  ["2026-06-15T09:00:00Z", /3 hours ago/],
  ["2026-06-13T12:00:00Z", /2 days ago/],
])("%s was %s", (at, expected) => {
  expect(ageOf(at, now)).toMatch(expected);
});
