import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { episode, numbered, text } from "../../../test/relay-network.ts";
import { silentLogger } from "../../lib/logger.ts";
import { ManualClock } from "../../lib/manual-clock.ts";
import { PartBuffer } from "../../parts/part-buffer.ts";
import { Mirror } from "./mirror.ts";

const key = episode("chat");

describe("a mirror", () => {
  it("takes what is new, and nothing that leaves a gap", () => {
    const mirror = new Mirror(key);
    expect(mirror.view()).toBeUndefined();
    expect(mirror.append(1, numbered(3))).toEqual(numbered(3));
    expect(mirror.append(2, numbered(4, 2))).toEqual(numbered(2, 4));
    expect(mirror.append(1, numbered(5))).toEqual([]);
    expect(mirror.append(7, numbered(1, 7))).toBeNull();
    expect(mirror.seq).toBe(5);
    expect(mirror.replace(5, [], false)).toBe(false);
    expect(mirror.replace(9, [{ type: "text", text: "nine" }], true)).toBe(true);
    expect(mirror.view()).toMatchObject({ seq: 9, truncated: true, closed: false });
    expect(mirror.since(8)).toBeNull();
    expect(mirror.since(9)).toEqual([]);
    expect(mirror.since(10)).toBeNull();
  });

  it("refuses what is no episode", () => {
    expect(() => new Mirror(key).append(1, [{ type: "text", index: 3, delta: "x" }])).toThrow(
      RangeError,
    );
  });

  it("shows at any moment what the owner shows", () => {
    const read = fc.record({
      parts: fc.integer({ min: 1, max: 400 }),
      back: fc.nat(10),
      since: fc.nat(300),
    });
    fc.assert(
      fc.property(fc.array(read, { maxLength: 8 }), (reads) => {
        const buffer = new PartBuffer({ clock: new ManualClock(), logger: silentLogger });
        const writer = buffer.open(key, "runner");
        const owner = buffer.follow(null, key, 1, { parts() {}, snapshot() {}, closed() {} });
        const mirror = new Mirror(key);
        for (const { parts, back, since } of reads) {
          for (let i = 0; i < parts; i++) writer.append(text(`${i} `));
          const from = Math.max(0, mirror.seq - back);
          const missed = owner.since(from);
          const view = owner.view();
          if (missed) mirror.append(from + 1, missed);
          else if (view) mirror.replace(view.seq, view.parts, view.truncated);
          expect(mirror.view()).toEqual(view);
          const after = Math.max(0, mirror.seq - since);
          const mine = mirror.since(after);
          if (mine !== null) expect(mine).toEqual(owner.since(after));
        }
        buffer.stop();
      }),
      { numRuns: 50 },
    );
  });
});
