import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemRuntime } from "./runtime.ts";

describe("frame", () => {
  let draws: Map<number, () => void>;
  let frame: NonNullable<(typeof systemRuntime)["frame"]>;

  beforeEach(async () => {
    vi.useFakeTimers();
    draws = new Map();
    vi.stubGlobal("requestAnimationFrame", (fn: () => void) => {
      draws.set(draws.size + 1, fn);
      return draws.size;
    });
    vi.stubGlobal("cancelAnimationFrame", (handle: number) => void draws.delete(handle));
    // What a page has is looked at once.
    vi.resetModules();
    const page = await import("./runtime.ts");
    if (page.systemRuntime.frame === undefined) throw new Error("there is a screen");
    frame = page.systemRuntime.frame;
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("comes with the next drawing, once", () => {
    let calls = 0;
    frame(() => void calls++);
    expect(calls).toBe(0);
    draws.get(1)?.();
    vi.advanceTimersByTime(10_000);
    expect(calls).toBe(1);
  });

  it("comes soon where nothing is drawn: in a hidden tab", () => {
    let calls = 0;
    frame(() => void calls++);
    vi.advanceTimersByTime(250);
    expect(calls).toBe(1);
    expect(draws.size).toBe(0);
  });

  it("does not come once it is taken back", () => {
    let calls = 0;
    frame(() => void calls++).cancel();
    expect(draws.size).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(calls).toBe(0);
  });
});

it("has no frames where there is no screen", () => {
  expect(systemRuntime.frame).toBeUndefined();
});

it("lets one page at a time run what has one name, and nothing that was taken back while it waited", async () => {
  const { exclusive } = systemRuntime;
  if (exclusive === undefined) throw new Error("this Node has Web Locks");
  const log: string[] = [];
  const first = Promise.withResolvers<void>();
  const never = new AbortController();
  const running = exclusive("a name", never.signal, async () => {
    log.push("first begins");
    await first.promise;
    log.push("first ends");
  });
  const taken = new AbortController();
  const waiting = exclusive("a name", taken.signal, async () => void log.push("taken back"));
  const last = exclusive("a name", never.signal, async () => void log.push("last"));
  await exclusive("another name", never.signal, async () => void log.push("another"));
  taken.abort();
  await waiting;
  first.resolve();
  await Promise.all([running, last]);
  expect(log).toEqual(["first begins", "another", "first ends", "last"]);
});
