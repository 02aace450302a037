import { expect, test } from "vitest";
import { fallbackTitle, titleFrom } from "./text.ts";

test.each<[string, string | null]>([
  ["Flour for bread", "Flour for bread"],
  ['"Flour for bread."', "Flour for bread"],
  ["**Title:** “Flour for bread”", "Flour for bread"],
  ["# Flour for bread\n\nThis title is short.", "Flour for bread"],
  ["<think>hm</think>Flour <b>for</b> bread", "hmFlour for bread"],
  ["<script>alert(1)</script>", "alert(1)"],
  ["Fl\u0000our\u202e for\u200b br\u0007ead", "Fl\ufffdour for bread"],
  ["- Mehl für Brot", "Mehl für Brot"],
  ["می‌خواهم", "می‌خواهم"],
  ["小麦粉について", "小麦粉について"],
  ["   \n\n", null],
  ['""', null],
  ["***", null],
])("of %j, %j is left", (answer, title) => {
  expect(titleFrom(answer)).toBe(title);
});

test("a long one is cut between words, and within one where there is no other way", () => {
  const long = titleFrom("word ".repeat(50)) ?? "";
  expect(long).toMatch(/^(word )+word…$/);
  expect(Array.from(long).length).toBeLessThanOrEqual(80);
  expect(Array.from(titleFrom("粉".repeat(200)) ?? "")).toHaveLength(80);
  expect(titleFrom(`a${"🥖".repeat(200)}`)?.isWellFormed()).toBe(true);
});

test("without a model the first words stand for it", () => {
  expect(fallbackTitle("How much\n**flour** does `bread` need?")).toBe(
    "How much flour does bread need?",
  );
  expect(fallbackTitle("…")).toBeNull();
});
