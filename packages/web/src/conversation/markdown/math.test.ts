import { expect, test } from "vitest";
import { dollarMath, hasMath } from "./math.ts";

test("formulas in brackets are formulas, outside of code", () => {
  expect(dollarMath("so \\(a+b\\) holds")).toBe("so $$a+b$$ holds");
  expect(dollarMath("\\[x^2\\]")).toBe("\n$$\nx^2\n$$\n");
  const fenced = "```tex\n\\(a\\)\n```\nand `\\(b\\)`";
  expect(dollarMath(fenced)).toBe(fenced);
  expect(dollarMath(`${fenced} then \\(c\\)`)).toBe(`${fenced} then $$c$$`);
  expect(dollarMath("```\n\\(still open")).toBe("```\n\\(still open");
});

test("prices are no formulas", () => {
  expect(hasMath("it costs $5 or $6")).toBe(false);
  expect(hasMath("$$x$$")).toBe(true);
});
