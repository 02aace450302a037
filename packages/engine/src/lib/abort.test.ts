import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { linked, onAbort, orAborted } from "./abort.ts";

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

describe("linked", () => {
  test("aborts with either parent, with its reason, and leaves no listener on the other", () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const link = linked(a.signal, undefined, b.signal);
    b.abort("why");
    expect(link.signal.reason).toBe("why");
    expect(listeners(a.signal)).toBe(0);
  });

  test("is aborted at once under an aborted parent", () => {
    const live = new AbortController();
    const link = linked(live.signal, AbortSignal.abort("before"));
    expect(link.signal.reason).toBe("before");
    expect(listeners(live.signal)).toBe(0);
  });

  test("its own abort does not touch the parent", () => {
    const parent = new AbortController();
    const link = linked(parent.signal);
    link.abort("mine");
    expect(link.signal.aborted).toBe(true);
    expect(parent.signal.aborted).toBe(false);
    expect(listeners(parent.signal)).toBe(0);
  });

  test("a thousand links disposed leave a long-lived parent as it was", () => {
    const parent = new AbortController();
    for (let i = 0; i < 1_000; i++) {
      using link = linked(parent.signal);
      expect(link.signal.aborted).toBe(false);
    }
    expect(listeners(parent.signal)).toBe(0);
  });
});

describe("onAbort", () => {
  test("can be taken back", () => {
    const controller = new AbortController();
    const seen: unknown[] = [];
    const off = onAbort(controller.signal, (reason) => seen.push(reason));
    off();
    controller.abort("late");
    onAbort(controller.signal, (reason) => seen.push(reason));
    expect(seen).toEqual(["late"]);
  });
});

describe("orAborted", () => {
  test("gives the outcome, or throws the reason as soon as the signal aborts", async () => {
    const controller = new AbortController();
    expect(await orAborted(Promise.resolve(1), controller.signal)).toBe(1);
    const never = orAborted(new Promise(() => {}), controller.signal);
    controller.abort(new Error("stop"));
    await expect(never).rejects.toThrow("stop");
    expect(listeners(controller.signal)).toBe(0);
  });
});
