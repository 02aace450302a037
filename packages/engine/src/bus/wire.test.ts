import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HintBatch } from "./hint-batch.ts";
import { decodeHints, encodeHints } from "./wire.ts";

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
});
