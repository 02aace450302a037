import { expect, test } from "vitest";
import { assert, AssertionFailed, assertNever, defined } from "./assert.ts";
import { causes, ParleyError } from "./errors.ts";

class Special extends ParleyError {
  constructor(cause?: unknown) {
    super("special", "something special", { details: { n: 1 }, cause });
  }
}

test("an error of the family has a code, details, a cause and its own name", () => {
  const cause = new Error("below");
  const error = new Special(cause);
  expect(error).toBeInstanceOf(ParleyError);
  expect(error).toMatchObject({ name: "Special", code: "special", details: { n: 1 }, cause });
  expect(Object.hasOwn(new Special(), "cause")).toBe(false);
});

test("causes lists the chain, outermost first, and survives a loop", () => {
  const below = new Error("below");
  const above = new Special(below);
  expect(causes(above)).toEqual([above, below]);
  below.cause = above;
  expect(causes(above).length).toBeLessThan(100);
  expect(causes("text")).toEqual(["text"]);
});

test("assertions", () => {
  expect(() => assert(false, "no")).toThrow(AssertionFailed);
  expect(() => assertNever("x" as never, "state")).toThrow("unexpected state: x");
  expect(defined(0, "zero")).toBe(0);
  expect(() => defined(undefined, "row")).toThrow("row is missing");
});
