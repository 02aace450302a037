import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StorableStream, storableJson, storableText } from "./storable.ts";

describe("storableText", () => {
  it("replaces what jsonb refuses, and nothing else", () => {
    expect(storableText("a\0b\ud800c\udc00")).toBe("a\ufffdb\ufffdc\ufffd");
    expect(storableText("café 👍")).toBe("café 👍");
  });

  it("gives the same for a text and for its pieces, however they are cut", () => {
    const units = fc.array(fc.constantFrom("a", "\0", "\ud83d", "\udc4d", "é"), { maxLength: 12 });
    fc.assert(
      fc.property(units, fc.array(fc.nat(12)), (letters, cuts) => {
        const text = letters.join("");
        const at = [0, ...cuts.filter((cut) => cut < text.length), text.length].toSorted(
          (a, b) => a - b,
        );
        const stream = new StorableStream();
        const pieces = at.slice(1).map((end, i) => stream.push(text.slice(at[i], end)));
        expect(pieces.join("") + stream.end()).toBe(storableText(text));
        for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
      }),
    );
  });
});

describe("storableJson", () => {
  it("is what JSON would carry", () => {
    const value = { a: undefined, "k\0": [Number.NaN, -0, "\ud800"], d: new Date(0) };
    expect(storableJson(value)).toEqual({
      "k\ufffd": [null, 0, "\ufffd"],
      d: "1970-01-01T00:00:00.000Z",
    });
  });

  it("asks a value for its own form, once more where that has one too", () => {
    const money = { cents: 5, toJSON: () => ({ eur: new URL("https://a.example/") }) };
    expect(storableJson([money])).toEqual([{ eur: "https://a.example/" }]);
    const endless = { toJSON: (): unknown => endless };
    expect(() => storableJson(endless)).toThrow(RangeError);
  });

  it("keeps __proto__ a key", () => {
    const value = storableJson(JSON.parse('{"__proto__":{"polluted":true}}'));
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":true}}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it("refuses what is nested too deep, and what JSON has no form for", () => {
    const deep: unknown = JSON.parse(`${"[".repeat(5_000)}${"]".repeat(5_000)}`);
    expect(() => storableJson(deep)).toThrow(RangeError);
    expect(() => storableJson(() => 1)).toThrow(TypeError);
  });
});
