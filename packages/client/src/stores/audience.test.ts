import { afterEach, expect, it, vi } from "vitest";
import { ManualRuntime } from "../../test/manual-runtime.ts";
import { Audience } from "./audience.ts";

afterEach(() => vi.restoreAllMocks());

function audience() {
  const runtime = new ManualRuntime();
  const calls: string[] = [];
  const own = new Audience({
    runtime,
    lingerMs: 5_000,
    onFirst: () => calls.push("first"),
    onGone: () => calls.push("gone"),
  });
  return { runtime, calls, own };
}

it("begins with the first listener and ends a while after the last", () => {
  const { runtime, calls, own } = audience();
  const one = own.subscribe(() => {});
  const two = own.subscribe(() => {});
  one();
  runtime.advance(60_000);
  two();
  two();
  runtime.advance(4_999);
  expect(calls).toEqual(["first"]);
  runtime.advance(1);
  expect(calls).toEqual(["first", "gone"]);
  own.subscribe(() => {});
  expect(calls).toEqual(["first", "gone", "first"]);
});

it("lets a function listen twice, and stop once", () => {
  const { own } = audience();
  let told = 0;
  const listener = () => void told++;
  const leave = own.subscribe(listener);
  own.subscribe(listener);
  leave();
  own.notify();
  expect(told).toBe(1);
});

it("keeps one listener's failure from the others and from who tells them", () => {
  const later: (() => void)[] = [];
  vi.spyOn(globalThis, "queueMicrotask").mockImplementation((fn) => void later.push(fn));
  const { own } = audience();
  let told = 0;
  own.subscribe(() => {
    throw new Error("a view's bug");
  });
  own.subscribe(() => void told++);
  own.notify();
  expect(told).toBe(1);
  expect(later).toHaveLength(1);
  expect(later[0]).toThrow("a view's bug");
});
