import { expect, it } from "vitest";
import { retryAfterMs } from "./retry-after.ts";

const now = Date.parse("2026-11-21T10:00:00Z");

it.each([
  [{ "retry-after": "7" }, "", 7_000],
  [{ "retry-after": "0.5" }, "", 500],
  [{ "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT" }, "", 30_000],
  [{ "retry-after": "Sat, 21 Nov 2026 09:00:00 GMT" }, "", 0],
  [{ "retry-after-ms": "1250", "retry-after": "9" }, "", 1_250],
  [{ "retry-after": "999999999" }, "", 24 * 3_600_000],
  [{ "retry-after": "soon" }, "", null],
  [{}, '{"error":{"details":[{"retryDelay": "34.07s"}]}}', 34_070],
  [{}, "Please try again in 6m0s.", 360_000],
  [{}, "Please try again in 1.5s. Visit", 1_500],
  [{}, "Please try again in 498ms.", 498],
  [{}, "Please try again later.", null],
  [{}, "", null],
])("reads %j and %j as %s ms", (headers, text, expected) => {
  expect(retryAfterMs(headers, text, now)).toBe(expected);
});
