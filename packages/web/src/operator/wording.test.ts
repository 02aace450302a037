import { expect, test } from "vitest";
import { amount, delay, hostOf, lasting, plural } from "./wording.ts";

test("how long something lasts is said in one unit", () => {
  expect([10, 400, 1_000, 59_999, 60_000, 7_200_000, 172_800_000].map(lasting)).toEqual([
    "0 s",
    "0.4 s",
    "1 s",
    "59 s",
    "1 min",
    "2 h",
    "2 d",
  ]);
  expect([0, 420, 1_000, 2_540, 61_000].map(delay)).toEqual([
    "0 ms",
    "420 ms",
    "1 s",
    "2.5 s",
    "1 min",
  ]);
});

test("amounts are short, and things are counted in words", () => {
  expect([0, 0.25, 12.44, 1_240.6].map(amount)).toEqual(["0", "0.3", "12.4", "1,241"]);
  expect([plural(1, "chat"), plural(2, "chat")]).toEqual(["1 chat", "2 chats"]);
});

test("an address is known by its host", () => {
  expect(hostOf("wss://a.example:7421/relay")).toBe("a.example:7421");
  expect(hostOf(null)).toBe(null);
});
