import { expect, it } from "vitest";
import { redact } from "./redact.ts";

it.each([
  "Incorrect API key provided: sk-proj-abcdefghijkl. You can find your API key at …",
  "Incorrect API key provided: sk-ab**********yz.",
  "bad header Authorization: Bearer abcdef.ghijkl",
  "GET https://host/v1?key=AIzaSyA-1234567890&alt=sse failed",
  "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
  "header x-my-key: very-secret-value",
])("takes keys out of %j", (text) => {
  const out = redact(text, ["very-secret-value"]);
  expect(out).toContain("[key]");
  expect(out).not.toMatch(/abcdef|sk-ab|AIza|eyJ|very-secret/);
});

it("keeps ordinary words, on one bounded line", () => {
  expect(redact("The model\n is overloaded.", ["the"])).toBe("The model is overloaded.");
  const long = redact("👍".repeat(1_000), []);
  expect(long.length).toBeLessThanOrEqual(500);
  expect(long.isWellFormed()).toBe(true);
});
