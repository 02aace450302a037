import { expect, test } from "vitest";
import { jsonIn } from "./json-text.ts";

test.each<[string, string, unknown]>([
  ["the whole text", ' {"a": 1}\n', { a: 1 }],
  ["no object", "42", 42],
  ["a fenced block", 'Here it is:\n```json\n{"a": [1]}\n```\nAnything else?', { a: [1] }],
  ["words around it", 'The result is {"a": "}"} as you asked.', { a: "}" }],
  ["a list in words", "So: [1, 2].", [1, 2]],
])("JSON is found: %s", (_, text, value) => {
  expect(jsonIn(text)).toMatchObject({ found: true, value });
});

test.each<[string, string, RegExp]>([
  ["nothing", "", /no JSON/],
  ["only words", "I could not find out.", /no valid JSON/],
  ["half of it", '{"a": [1, 2', /no valid JSON/],
  ["too deep", "[".repeat(50_000) + "]".repeat(50_000), /deeper than 100/],
  ["too long", `"${"x".repeat(1_100_000)}"`, /longer than/],
])("and is not: %s", (_, text, reason) => {
  expect(jsonIn(text)).toMatchObject({ found: false, reason: expect.stringMatching(reason) });
});
