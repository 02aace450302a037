import fc from "fast-check";
import { expect, it } from "vitest";
import { createSseParser } from "./sse-parser.ts";

function parse(...pieces: string[]) {
  const parser = createSseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

const stream =
  ": hello\nid: 1\nevent: a\ndata: one\n\nevent: b\r\ndata:two\r\ndata: three\r\n\r\n: beat\n\ndata\nid: 2\r\revent: half";

const expected = [
  { event: "a", data: "one", id: "1" },
  { event: "b", data: "two\nthree", id: "1" },
  { event: "message", data: "", id: "2" },
];

it("reads fields, comments, every kind of line end, and keeps the last id", () => {
  expect(parse(stream)).toEqual(expected);
});

it("gives the same wherever the text is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length })), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      const pieces = at.slice(1).map((end, index) => stream.slice(at[index], end));
      expect(parse(...pieces)).toEqual(expected);
    }),
  );
});

it("gives up on an event that does not end", () => {
  const parser = createSseParser();
  const piece = "x".repeat(16 * 1024 * 1024);
  expect(() => {
    for (let n = 0; n < 5; n++) parser.push(piece);
  }).toThrow(RangeError);
});
