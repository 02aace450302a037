import fc from "fast-check";
import { expect, test } from "vitest";
import { base36 } from "./base36.ts";

test("numbers are written as the language writes them", () => {
  for (const n of [0, 1, 35, 36, 37, 1_295, 1_296, 1_297, 46_655, 46_656, 0xffff_ffff]) {
    expect(base36(n)).toBe(n.toString(36));
  }
  fc.assert(
    fc.property(fc.maxSafeNat(), (n) => {
      expect(base36(n)).toBe(n.toString(36));
    }),
  );
});
