import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lagPartsMax, Outbox, outboxBytesMax, outboxEventsMax } from "./outbox.ts";
import type { EncodedEvent } from "./ports.ts";

const event = (type: string, size = 10): EncodedEvent => ({
  type,
  cursor: undefined,
  isPlain: false,
  json: () => "x".repeat(size),
  dataJson: () => "x",
});

describe("an outbox", () => {
  it("gives what it was given, in order, in pieces", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 200 }),
        fc.integer({ min: 1, max: 50 }),
        (lives, max) => {
          const outbox = new Outbox();
          const events = lives.map((live, i) => event(`${live ? "live" : "control"}${i}`));
          lives.forEach((live, i) => {
            if (live) outbox.addLive(events[i] as EncodedEvent);
            else outbox.add(events[i] as EncodedEvent, false);
          });
          const taken: EncodedEvent[] = [];
          while (!outbox.empty) {
            const some = outbox.take(max);
            expect(some.length).toBeLessThanOrEqual(max);
            taken.push(...some);
          }
          expect(taken).toEqual(events);
          expect(outbox.full || outbox.lagging).toBe(false);
        },
      ),
    );
  });

  it("drops live parts that pile up, keeps what came before, and owes a snapshot", () => {
    const outbox = new Outbox();
    outbox.add(event("message"), false);
    for (let i = 0; i < lagPartsMax * 3; i++) outbox.addLive(event("message_part"));
    expect(outbox.lagging).toBe(true);
    expect(outbox.take(1000).map(({ type }) => type)).toEqual(["message"]);
    outbox.caughtUp();
    outbox.addLive(event("preview_snapshot"));
    expect(outbox.take(1000).map(({ type }) => type)).toEqual(["preview_snapshot"]);
  });

  it("is full by events and by bytes, but not by the first sync", () => {
    const outbox = new Outbox();
    for (let i = 0; i < 200; i++) outbox.add(event("message", 256 * 1024), true);
    expect(outbox.full).toBe(false);
    for (let i = 0; i <= outboxEventsMax; i++) outbox.add(event("chat", 1), false);
    expect(outbox.full).toBe(true);
    const heavy = new Outbox();
    heavy.add(event("message", outboxBytesMax + 1), false);
    expect(heavy.full).toBe(true);
    heavy.take(1);
    expect(heavy.full).toBe(false);
  });
});
