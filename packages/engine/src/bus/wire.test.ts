import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HintBatch, waitingHintsMax } from "./hint-batch.ts";
import { decodeHints, encodeAnnouncement, encodeHints } from "./wire.ts";

const hint = fc.record({
  chat_id: fc.uuid(),
  snapshot_version: fc.nat(),
  metadata_version: fc.nat(),
  unowned: fc.boolean(),
});

describe("hints on the wire", () => {
  test("every hint arrives once, and no payload is larger than allowed", () => {
    fc.assert(
      fc.property(fc.array(hint, { maxLength: 300 }), (hints) => {
        const payloads = encodeHints("replica", hints, 1_000);
        for (const payload of payloads)
          expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(1_000);
        const received = payloads.flatMap((payload) => decodeHints(payload)?.hints ?? []);
        expect(received).toEqual(hints);
      }),
    );
  });

  test.each(["", "{}", "[1]", '[3,"r",[]]', '[1,"r",[["no uuid",1,1,0]]]', "null"])(
    "what is not ours is ignored: %s",
    (payload) => expect(decodeHints(payload)).toBeNull(),
  );

  test("of a replica of the next version are understood; what is new in them is passed over", () => {
    const chat_id = "018f0000-0000-7000-8000-000000000001";
    const payload = JSON.stringify([2, "r", [[chat_id, 5, 1, 1, "new", {}]], { new: true }]);
    expect(decodeHints(payload)).toEqual({
      origin: "r",
      hints: [{ chat_id, snapshot_version: 5, metadata_version: 1, unowned: true }],
    });
  });

  test("hints that wait for one chat are merged to the newest", () => {
    const batch = new HintBatch();
    const chat_id = "018f0000-0000-7000-8000-000000000001";
    batch.add({ chat_id, snapshot_version: 5, metadata_version: 1, unowned: true });
    batch.add({ chat_id, snapshot_version: 4, metadata_version: 2, unowned: false });
    expect(batch.drain()).toEqual([
      { chat_id, snapshot_version: 5, metadata_version: 2, unowned: true },
    ]);
    expect(batch.size).toBe(0);
  });

  test("what waits is bounded; the newest of a chat that waits is never left out", () => {
    const batch = new HintBatch();
    const chat = (n: number): string => `018f0000-0000-7000-8000-${String(n).padStart(12, "0")}`;
    const of = (n: number, snapshot_version: number): Parameters<HintBatch["add"]>[0] => {
      return { chat_id: chat(n), snapshot_version, metadata_version: 1, unowned: false };
    };
    for (let n = 0; n <= waitingHintsMax; n++) batch.add(of(n, 1));
    expect(batch.size).toBe(waitingHintsMax);
    batch.add(of(7, 2));
    const hints = batch.drain();
    expect(hints).toHaveLength(waitingHintsMax);
    expect(hints[7]).toEqual(of(7, 2));
  });

  test("an announcement says who is there, and hints at nothing", () => {
    expect(decodeHints(encodeAnnouncement("r"))).toEqual({ origin: "r", hints: [] });
  });
});
