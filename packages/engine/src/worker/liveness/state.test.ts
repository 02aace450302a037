import { describe, expect, test } from "vitest";
import type { Suspect } from "../../store/workers.ts";
import { expiredBeats, noFutureBeats, observeBeats } from "./future-beats.ts";
import { livenessDefaults } from "./options.ts";
import { applyLiveness, isSure, reconnectMs, startLiveness, type LivenessEvent } from "./state.ts";

const after = (...events: LivenessEvent[]): ReturnType<typeof startLiveness> =>
  events.reduce(applyLiveness, startLiveness("w1"));
const registered: LivenessEvent = { type: "registered", sentAt: 100 };

describe("a worker's own life", () => {
  test("is sure for half a lease after the last acknowledged beat was sent", () => {
    expect(isSure(startLiveness("w1"), 0, livenessDefaults)).toBe(false);
    const state = after(registered, { type: "beat", sentAt: 1_000 });
    expect(isSure(state, 10_999, livenessDefaults)).toBe(true);
    expect(isSure(state, 11_000, livenessDefaults)).toBe(false);
  });

  test("is unwell after a connection of its own was lost, until a beat has said so", () => {
    expect(after(registered, { type: "beat_connection_lost" }).unwell).toBe(true);
    const proved: LivenessEvent = { type: "lock_proved", key: 7 };
    expect(after(registered, proved, { type: "lock_lost" })).toMatchObject({
      unwell: true,
      lockKey: null,
    });
    expect(
      after(registered, { type: "beat_connection_lost" }, { type: "beat", sentAt: 1 }).unwell,
    ).toBe(false);
  });

  test("says nothing of a lock that was never proved", () => {
    expect(after(registered, { type: "lock_lost" }).unwell).toBe(false);
  });

  test("goes on under another name when it was held for dead, draining if it was", () => {
    const state = after(registered, { type: "drain" }, { type: "replaced", workerId: "w2" });
    expect(state).toMatchObject({ workerId: "w2", registered: false, draining: true });
  });

  test("reconnects after half a beat at most", () => {
    const delays = [1, 2, 3, 4, 5, 9].map((failures) => reconnectMs(failures, livenessDefaults));
    expect(delays).toEqual([50, 100, 200, 400, 500, 500]);
  });
});

describe("a beat in the future", () => {
  const seen = (beat_us: number): Suspect[] => [
    { id: "w", beat_us, dead: false, ahead: true, owns: true },
  ];

  test("expires once it has not changed for a lease by the observer's clock", () => {
    const first = observeBeats(noFutureBeats, seen(5), 1_000);
    const second = observeBeats(first, seen(5), 20_000);
    expect(expiredBeats(second, 20_999, 20_000)).toEqual([]);
    expect(expiredBeats(second, 21_000, 20_000)).toEqual([{ id: "w", beat_us: 5 }]);
  });

  test("that changes is alive", () => {
    const first = observeBeats(noFutureBeats, seen(5), 1_000);
    expect(expiredBeats(observeBeats(first, seen(6), 20_000), 39_000, 20_000)).toEqual([]);
  });

  test("that is past again is forgotten", () => {
    const first = observeBeats(noFutureBeats, seen(5), 1_000);
    expect(observeBeats(first, [], 2_000).size).toBe(0);
  });
});
