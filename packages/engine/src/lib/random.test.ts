import { describe, expect, test } from "vitest";
import { ManualClock } from "./manual-clock.ts";
import { seededRandom, systemRandom } from "./random.ts";

const v7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("uuid", () => {
  test("is version 7 and carries the clock's time", () => {
    const clock = new ManualClock(0x0123456789ab);
    expect(systemRandom(clock).uuid()).toMatch(v7);
    expect(systemRandom(clock).uuid().replaceAll("-", "").slice(0, 12)).toBe("0123456789ab");
  });

  test("sorts in the order of making: within a millisecond, and when the clock goes back", () => {
    let now = 1_000_000;
    const random = systemRandom({ now: () => now });
    const ids: string[] = [];
    for (let i = 0; i < 10_000; i++) {
      if (i === 6_000) now -= 50;
      ids.push(random.uuid());
    }
    expect(ids.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(v7);
  });
});

describe("seededRandom", () => {
  test("gives the same for the same seed and something else for another", () => {
    const draw = (seed: string | number): unknown[] => {
      const random = seededRandom(seed);
      return [random.uuid(), random.float(), ...random.bytes(4)];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw("7")).toEqual(draw(7));
    expect(draw(8)).not.toEqual(draw(7));
  });

  test.each([
    ["seeded", seededRandom(1)],
    ["system", systemRandom(new ManualClock())],
  ])("%s floats are in [0, 1) and spread out", (_name, random) => {
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 10_000; i++) {
      const value = random.float();
      expect(value >= 0 && value < 1).toBe(true);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    // 1,000 expected, standard deviation 30
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  });
});
