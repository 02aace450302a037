import fc from "fast-check";

/** What happens to bytes on their way. Places are parts of the whole, from 0 to 1. */
type Mutation =
  | { kind: "cut"; at: number }
  | { kind: "drop"; at: number; length: number }
  | { kind: "double"; at: number; length: number }
  | { kind: "move"; at: number; length: number; to: number }
  | { kind: "flip"; at: number; bit: number }
  | { kind: "insert"; at: number; bytes: Uint8Array };

const place = fc.double({ min: 0, max: 1, noNaN: true });
const length = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 400 }));

/** No UTF-8, ends of lines, control characters, what looks like JSON, a number that is too large, and plain noise. */
const noise = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 24 }),
  fc
    .constantFrom(
      "\r\n",
      "\n\n",
      "\0",
      '"',
      "{",
      "]}",
      "null",
      "-1",
      "1e999",
      '\\ud800"',
      "data: ",
      "[".repeat(5_000),
      "9".repeat(400),
      "x".repeat(100_000),
    )
    .map((text) => Buffer.from(text)),
  fc.constant(Buffer.from([0xc3, 0x28, 0xff, 0xfe])),
);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("cut" as const), at: place }),
  fc.record({ kind: fc.constant("drop" as const), at: place, length }),
  fc.record({ kind: fc.constant("double" as const), at: place, length }),
  fc.record({ kind: fc.constant("move" as const), at: place, length, to: place }),
  fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("insert" as const), at: place, bytes: noise }),
);

export const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });

export function mutated(bytes: Uint8Array, all: readonly Mutation[]): Buffer {
  return all.reduce<Buffer>(applied, Buffer.from(bytes));
}

function applied(bytes: Buffer, each: Mutation): Buffer {
  const at = Math.floor(each.at * bytes.length);
  const before = bytes.subarray(0, at);
  switch (each.kind) {
    case "cut":
      return Buffer.from(before);
    case "drop":
      return Buffer.concat([before, bytes.subarray(at + each.length)]);
    case "double":
      return Buffer.concat([before, bytes.subarray(at, at + each.length), bytes.subarray(at)]);
    case "move": {
      const moved = bytes.subarray(at, at + each.length);
      const rest = Buffer.concat([before, bytes.subarray(at + each.length)]);
      const to = Math.floor(each.to * rest.length);
      return Buffer.concat([rest.subarray(0, to), moved, rest.subarray(to)]);
    }
    case "flip": {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << each.bit);
      return copy;
    }
    case "insert":
      return Buffer.concat([before, each.bytes, bytes.subarray(at)]);
  }
}

/** The bytes in pieces, as a network may bring them: cut at the given places. */
export function inPieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)), bytes.length];
  const ordered = places.toSorted((a, b) => a - b);
  return ordered.slice(1).map((to, at) => bytes.subarray(ordered[at], to));
}

export const cuts = fc.array(place, { maxLength: 3 });
