import { describe, expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { ManualClock } from "./manual-clock.ts";

describe("systemClock", () => {
  test("a sleep ends at once, without throwing, when its signal aborts", async () => {
    const controller = new AbortController();
    const asleep = systemClock.sleep(3_600_000, "long", controller.signal);
    controller.abort();
    await expect(asleep).resolves.toBeUndefined();
    await expect(systemClock.sleep(3_600_000, "long", controller.signal)).resolves.toBeUndefined();
  });

  test("a timer fires after its time and not before", async () => {
    for (let i = 0; i < 20; i++) {
      const start = systemClock.monotonic();
      await systemClock.sleep(1 + i / 7, "short");
      expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(1 + i / 7);
    }
  });

  test("a wait longer than setTimeout can hold does not fire at once", async () => {
    let fired = false;
    const timer = systemClock.timer(2 ** 31 + 1000, "month", () => (fired = true));
    await systemClock.sleep(5, "short");
    timer.cancel();
    expect(fired).toBe(false);
  });
});

describe("ManualClock", () => {
  test("runs due timers in order of time, then of setting, each at its own time", async () => {
    const clock = new ManualClock();
    const seen: [string, number][] = [];
    const note = (name: string) => () => void seen.push([name, clock.monotonic()]);
    clock.timer(20, "b", note("b"));
    clock.timer(10, "a", note("a"));
    clock.timer(20, "c", note("c"));
    clock.timer(31, "later", note("later"));
    await clock.advance(30);
    expect(seen).toEqual([
      ["a", 10],
      ["b", 20],
      ["c", 20],
    ]);
    expect(clock.pending()).toEqual([{ label: "later", dueAt: 31 }]);
    expect(clock.monotonic()).toBe(30);
  });

  test("lets what a timer wakes go on before the next one runs", async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    const loop = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await clock.sleep(10, "tick");
        seen.push(`tick at ${clock.monotonic()}`);
      }
    };
    const done = loop();
    await clock.advance(100);
    await done;
    expect(seen).toEqual(["tick at 10", "tick at 20", "tick at 30"]);
  });

  test("an aborted sleep leaves no timer behind", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const asleep = clock.sleep(10, "x", controller.signal);
    expect(clock.pending()).toHaveLength(1);
    controller.abort();
    await asleep;
    expect(clock.pending()).toEqual([]);
  });

  test("waitForTimer resolves when a timer with that label is set", async () => {
    const clock = new ManualClock();
    const waiting = clock.waitForTimer("lease");
    clock.timer(1, "other", () => {});
    clock.timer(5, "lease", () => {});
    await expect(waiting).resolves.toBeUndefined();
    await expect(clock.waitForTimer("lease")).resolves.toBeUndefined();
  });

  test("wall time moves with it", async () => {
    const clock = new ManualClock(1_000);
    await clock.advance(500);
    expect(clock.now()).toBe(1_500);
  });
});
