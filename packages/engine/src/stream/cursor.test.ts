import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  allOfRevision,
  CursorPrefix,
  decodeCursor,
  encodeCursor,
  InvalidCursor,
  type CursorScope,
  type Position,
} from "./cursor.ts";
import { digestOf } from "./digest.ts";

const scope: CursorScope = {
  chatId: "0190a6f0-7b3c-7d2e-8f00-0123456789ab",
  database: { systemIdentifier: "7300000000000000001", timeline: 3 },
};

const version = fc.integer({ min: 1, max: 2 ** 50 });

const position: fc.Arbitrary<Position> = fc
  .record({
    low: fc.nat(),
    revision: version,
    message_id: fc.oneof(fc.integer({ min: 1, max: 2 ** 50 }), fc.constant(allOfRevision)),
    ahead: fc.nat(),
    status: fc.jsonValue().map(digestOf),
    error: fc.jsonValue().map(digestOf),
    actions: fc.constant("0"),
    queue: fc.integer({ min: -1, max: 2 ** 40 }),
    retry: fc.nat(),
    metadata: fc.integer({ min: -1, max: 2 ** 40 }),
    preview: fc.option(
      fc.record({ history_version: version, generation_attempt: fc.nat(), seq: fc.nat() }),
    ),
  })
  .map(({ ahead, ...rest }) => ({ ...rest, snapshot: rest.revision + ahead }));

const decodeAgain = (at: Position) => decodeCursor(scope, encodeCursor(scope, at));

describe("a cursor", () => {
  it("names its position, in characters that need no escaping", () => {
    fc.assert(
      fc.property(position, (at) => {
        const cursor = encodeCursor(scope, at);
        expect(cursor).toMatch(/^[a-z0-9.-]{20,300}$/);
        expect(decodeCursor(scope, cursor)).toEqual(at);
      }),
    );
  });

  it("is another one at every other position, however little time lies between them (C11)", () => {
    fc.assert(
      fc.property(position, position, fc.nat(), (one, two, seq) => {
        const live = { history_version: one.revision, generation_attempt: 1, seq };
        const cursors = [
          one,
          two,
          { ...one, preview: live },
          { ...one, preview: { ...live, seq: seq + 1 } },
          { ...one, preview: { ...live, generation_attempt: 2 } },
        ];
        const names = new Set(cursors.map((at) => encodeCursor(scope, at)));
        const positions = new Set(cursors.map((at) => JSON.stringify(decodeAgain(at))));
        expect(names.size).toBe(positions.size);
        expect(positions.size).toBeGreaterThanOrEqual(4);
      }),
    );
  });

  it("of a live part is the same, made the cheap way", () => {
    fc.assert(
      fc.property(position, fc.nat(), (at, seq) => {
        const preview = { history_version: 5, generation_attempt: 2, seq };
        const prefix = new CursorPrefix(scope, { ...at, preview: { ...preview, seq: 0 } });
        expect(prefix.cursor(seq)).toBe(encodeCursor(scope, { ...at, preview }));
      }),
    );
  });

  it("that was changed anywhere is refused", () => {
    fc.assert(
      fc.property(position, fc.nat(), fc.integer({ min: 0, max: 35 }), (at, where, digit) => {
        const cursor = encodeCursor(scope, at);
        const i = where % cursor.length;
        const changed = cursor.slice(0, i) + digit.toString(36) + cursor.slice(i + 1);
        fc.pre(changed !== cursor);
        expect(() => decodeCursor(scope, changed)).toThrow(InvalidCursor);
      }),
    );
  });

  it("that is anything at all is refused and never crashes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (any) => {
        expect(() => decodeCursor(scope, any)).toThrow(InvalidCursor);
      }),
    );
  });

  it("of another chat is refused, of another database or timeline means nothing", () => {
    const at = fc.sample(position, 1)[0] as Position;
    const other = { ...scope, chatId: "0190a6f0-7b3c-7d2e-8f00-0123456789ac" };
    expect(() => decodeCursor(scope, encodeCursor(other, at))).toThrow(InvalidCursor);
    for (const database of [
      { systemIdentifier: "7300000000000000002", timeline: 3 },
      { systemIdentifier: "7300000000000000001", timeline: 4 },
    ]) {
      expect(decodeCursor(scope, encodeCursor({ ...scope, database }, at))).toBeNull();
    }
  });
});
