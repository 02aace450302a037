import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance, nearest } from "./suggest.ts";

describe("editDistance", () => {
  it.each([
    ["", "", 0],
    ["abc", "", 3],
    ["port", "prot", 1],
    ["kitten", "sitting", 3],
  ])("of %s and %s is %i", (a, b, expected) => {
    expect(editDistance(a, b)).toBe(expected);
  });

  it("is symmetric, and zero for equal texts only", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe("nearest", () => {
  it("finds what was meant, and keeps quiet when nothing is near", () => {
    expect(nearest("PARLEY_DATADIR", ["PARLEY_PORT", "PARLEY_DATA_DIR"])).toBe("PARLEY_DATA_DIR");
    expect(nearest("xyz", ["info", "warn"])).toBeUndefined();
  });
});
