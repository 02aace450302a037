import { expect, test } from "vitest";
import { seededRandom } from "./random.ts";
import { Sealer, SealBroken } from "./seal.ts";

const random = seededRandom(1);
const sealer = new Sealer("one key", random);

test("what is sealed is opened where it belongs, and shows nothing of itself", () => {
  const sealed = sealer.seal("Bearer grüße", "chat 1");
  expect(sealer.open(sealed, "chat 1")).toBe("Bearer grüße");
  expect(sealed.includes("Bearer")).toBe(false);
  expect(sealer.seal("Bearer grüße", "chat 1").equals(sealed)).toBe(false);
});

test("it is not opened elsewhere, with another key, or when a bit of it has changed", () => {
  const sealed = sealer.seal("text", "chat 1");
  expect(() => sealer.open(sealed, "chat 2")).toThrow(SealBroken);
  expect(() => new Sealer("another", random).open(sealed, "chat 1")).toThrow(SealBroken);
  for (let at = 0; at < sealed.length; at++) {
    const broken = Buffer.from(sealed);
    broken[at] = (broken[at] ?? 0) ^ 1;
    expect(() => sealer.open(broken, "chat 1")).toThrow(SealBroken);
  }
  expect(() => sealer.open(sealed.subarray(0, 12), "chat 1")).toThrow(SealBroken);
});
