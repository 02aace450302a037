import { fold, type LivePart } from "@parley/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Growth, ringPartsMax } from "./growth.ts";
import { Tail } from "./tail.ts";

/** A reply that changes its mind all the time: deltas of two kinds and three places, whole parts, progress. */
const said: fc.Arbitrary<LivePart[]> = fc
  .array(
    fc.record({
      kind: fc.constantFrom("text", "reasoning", "call", "whole", "progress"),
      place: fc.nat(2),
      text: fc.string({ maxLength: 3 }),
      times: fc.integer({ min: 1, max: 100 }),
    }),
    { maxLength: 12 },
  )
  .map((runs) => {
    let size = 0;
    return runs.flatMap(({ kind, place, text, times }): LivePart[] => {
      const index = Math.min(place, size);
      const part = livePart(kind, index, text);
      if ("index" in part) size = Math.max(size, index + 1);
      return Array.from({ length: times }, (_, i) =>
        "delta" in part ? { ...part, delta: `${text}${i}` } : part,
      );
    });
  });

function livePart(kind: string, index: number, text: string): LivePart {
  const named = { tool_call_id: `c${text}`, tool_name: "t" };
  if (kind === "text") return { type: "text", index, delta: text };
  if (kind === "reasoning") return { type: "reasoning", index, delta: text };
  if (kind === "call") return { type: "tool-call", index, ...named, input_delta: text };
  if (kind === "whole") return { type: "text", index, text };
  return { type: "tool-progress", tool_call_id: "c", progress: 1 };
}

describe("what an episode has said", () => {
  it("is the fold of its parts at every moment, whoever looks when", () => {
    fc.assert(
      fc.property(said, fc.array(fc.nat(1_000)), fc.boolean(), (parts, looks, settles) => {
        let tail = new Tail(0);
        const growth = new Growth((part, count) => tail.push(part, count));
        const checkpoints: LivePart[] = [];
        parts.forEach((part, i) => {
          growth.push(part);
          if (settles) growth.settle();
          const seq = i + 1;
          expect(growth.seq).toBe(seq);
          if (!looks.includes(i)) return;
          expect(growth.parts()).toEqual(fold(parts.slice(0, seq)));
          expect([tail.lastSeq, growth.told]).toEqual([seq, seq]);
          checkpoints.push(...tail.parts);
          tail = new Tail(seq);
          const from = Math.max(0, seq - ringPartsMax);
          expect(growth.since(from)).toEqual(parts.slice(from, seq));
          if (from > 0) expect(growth.since(from - 1)).toBeNull();
        });
        growth.tell();
        expect(fold([...checkpoints, ...tail.parts])).toEqual(fold(parts));
        expect(growth.size).toBe(fold(parts).length);
      }),
    );
  });

  it("goes on from what replaced it", () => {
    const growth = new Growth();
    growth.push({ type: "text", index: 0, delta: "lost" });
    growth.replace(7, [{ type: "text", text: "seven" }]);
    growth.push({ type: "text", index: 0, delta: " eight" });
    expect(growth.parts()).toEqual([{ type: "text", text: "seven eight" }]);
    expect(growth.since(6)).toBeNull();
    expect(growth.since(7)).toHaveLength(1);
  });

  it("refuses a part that leaves out an index, and takes nothing of it", () => {
    const growth = new Growth();
    expect(() => growth.push({ type: "text", index: 1, delta: "x" })).toThrow(RangeError);
    expect(growth.seq).toBe(0);
  });
});
