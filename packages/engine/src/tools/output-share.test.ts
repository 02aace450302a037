import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OutputShare } from "./output-share.ts";

const bytes = (text: unknown): number => Buffer.byteLength(String(text));

describe("OutputShare", () => {
  it("gives short results whole, and leaves what they do not need to the others", () => {
    const share = new OutputShare(10_000, 3);
    expect(share.output("short", 10_000)).toBe("short");
    expect(share.output({ a: 1 }, 10_000)).toEqual({ a: 1 });
    expect(bytes(share.output("x".repeat(50_000), 10_000))).toBeGreaterThan(9_900);
  });

  it("holds each to its own limit as well", () => {
    expect(bytes(new OutputShare(10_000, 1).output("x".repeat(5_000), 300))).toBe(300);
  });

  it("never gives out more than there is, but for what the least of all may have", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5_000, max: 50_000 }),
        fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 15 }),
        (bytesMax, sizes) => {
          const share = new OutputShare(bytesMax, sizes.length);
          let sum = 0;
          for (const size of sizes) {
            sum += bytes(share.output("x".repeat(size), bytesMax));
          }
          expect(sum).toBeLessThanOrEqual(bytesMax);
        },
      ),
    );
  });
});
