import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WatchedChat, WatchResult } from "../store/watch.ts";
import { ModelChat } from "./model-chat.test-support.ts";
import { decodeWatchCursor, encodeWatchCursor, type WatchScope } from "./watch-cursor.ts";
import { planChanges, stateAfter } from "./watch-state.ts";

const scope: WatchScope = {
  ownerId: "0190a6f0-7b3c-7d2e-8f00-0123456789ab",
  database: { systemIdentifier: "7300000000000000001", timeline: 1 },
};

const chat = (n: number, xid: bigint): WatchedChat => ({
  ...new ModelChat(`chat${n}`).chat,
  changed_xid: xid,
});

/** What a read gives from `since` on, of a list in which these transactions changed or deleted one chat each. */
function read(
  changes: readonly { xid: bigint; deleted: boolean }[],
  xmin: bigint,
  since: bigint,
): WatchResult {
  const seen = changes.map((change, n) => ({ ...change, n })).filter(({ xid }) => xid >= since);
  return {
    xmin,
    xmax: 1_000n,
    now: 5,
    changed: seen.filter((c) => !c.deleted).map(({ n, xid }) => chat(n, xid)),
    deleted: seen
      .filter((c) => c.deleted)
      .map(({ n, xid }) => ({ chat_id: `chat${n}`, changed_xid: xid })),
    newest: null,
  };
}

const changesArbitrary = fc.array(
  fc.record({ xid: fc.bigInt({ min: 1n, max: 60n }), deleted: fc.boolean() }),
  { maxLength: 12 },
);

const idOf = (event: { data: object }): unknown => (event.data as { id?: unknown }).id;

describe("the changes of a list", () => {
  it("are all told to one who comes back at any of their cursors", () => {
    fc.assert(
      fc.property(changesArbitrary, fc.bigInt({ min: 1n, max: 60n }), (changes, xmin) => {
        const from = { xmin: 1n, readAt: 0 };
        const events = planChanges(read(changes, xmin, 1n), from, new Map(), true);
        expect(events).toHaveLength(changes.length + 1);
        events.forEach(({ position }, i) => {
          const back = decodeWatchCursor(scope, encodeWatchCursor(scope, position));
          expect(back).toEqual(position);
          const rest = planChanges(read(changes, xmin, position.xmin), position, new Map(), true);
          const told = new Set(rest.map(idOf));
          for (const missed of events.slice(i + 1)) expect(told).toContain(idOf(missed));
        });
      }),
    );
  });

  it("are not told twice to one who stays, however long an old transaction holds them back", () => {
    fc.assert(
      fc.property(changesArbitrary, fc.bigInt({ min: 1n, max: 60n }), (changes, xmin) => {
        const first = read(changes, xmin, 1n);
        const { position, told } = stateAfter(first);
        expect(planChanges(read(changes, xmin, position.xmin), position, told, false)).toEqual([]);
      }),
    );
  });
});
