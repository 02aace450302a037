import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { ManualClock } from "./manual-clock.ts";
import { Wake } from "./wake.ts";

test("a storm of sets before the wait is one wake", async () => {
  const wake = new Wake();
  for (let i = 0; i < 100; i++) wake.set();
  expect(wake.pending).toBe(true);
  expect(await wake.wait()).toBe("set");
  expect(wake.pending).toBe(false);
});

test("wakes a waiter", async () => {
  const wake = new Wake();
  const waiting = wake.wait();
  wake.set();
  expect(await waiting).toBe("set");
});

test("ends by itself after the timeout, and takes its timer back when it is woken", async () => {
  const clock = new ManualClock();
  const wake = new Wake();
  const first = wake.wait(undefined, clock, 1_000, "poll");
  await clock.waitForTimer("poll");
  await clock.advance(1_000);
  expect(await first).toBe("timeout");
  const second = wake.wait(undefined, clock, 1_000, "poll");
  wake.set();
  expect(await second).toBe("set");
  expect(clock.pending()).toEqual([]);
});

test("an abort wins over a set, which stays for the next wait", async () => {
  const wake = new Wake();
  const controller = new AbortController();
  const waiting = wake.wait(controller.signal);
  wake.set();
  controller.abort();
  expect(await waiting).toBe("aborted");
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  expect(await wake.wait()).toBe("set");
});
