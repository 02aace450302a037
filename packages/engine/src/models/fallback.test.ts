import type { ErrorKind } from "@parley/protocol";
import { describe, expect, it } from "vitest";
import { modelAfter } from "./fallback.ts";

const chain = ["a/first", "b/second", "c/third"];
const after = (model: string, kind: ErrorKind, tries: number, of = chain) =>
  modelAfter({ model, kind, tries }, of, 3)?.model ?? null;

describe("modelAfter", () => {
  it.each(["overloaded", "rate_limit", "server", "network", "timeout", "stream_silence"] as const)(
    "passes on after the third %s, from one to the next, and to the first again",
    (kind) => {
      expect(after("a/first", kind, 2)).toBeNull();
      expect(after("a/first", kind, 3)).toBe("b/second");
      expect(after("b/second", kind, 3)).toBe("c/third");
      expect(modelAfter({ model: "c/third", kind, tries: 3 }, chain, 3)).toEqual({
        model: "a/first",
        atOnce: false,
      });
    },
  );

  it("passes on at once where the account is used up", () => {
    expect(modelAfter({ model: "a/first", kind: "quota", tries: 1 }, chain, 3)).toEqual({
      model: "b/second",
      atOnce: true,
    });
  });

  it.each([
    "auth",
    "config",
    "invalid_request",
    "content_filter",
    "context_overflow",
    "empty_response",
    "cancelled",
  ] as const)("leaves %s of the model that was asked for to be seen", (kind) => {
    expect(after("a/first", kind, 9)).toBeNull();
  });

  it("passes over a stand-in that cannot be called, but not what it refuses to say", () => {
    expect(after("b/second", "auth", 1)).toBe("c/third");
    expect(after("b/second", "context_overflow", 1)).toBe("c/third");
    expect(after("b/second", "content_filter", 1)).toBeNull();
  });

  it("has nowhere to go without others", () => {
    expect(after("a/first", "server", 9, ["a/first"])).toBeNull();
    expect(after("x/gone", "server", 9)).toBeNull();
  });
});
