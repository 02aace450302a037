import { expect, test } from "vitest";
import { aloneAfterMs, announceMs, Presence } from "./presence.ts";

test("whoever hears nobody for long enough is alone, until he hears somebody", () => {
  const presence = new Presence(0);
  const seen: boolean[] = [];
  for (let now = 0; now <= 15_000; now += announceMs) {
    presence.announced(now);
    seen.push(presence.alone);
  }
  expect(seen).toEqual([false, false, false, true]);
  presence.heard(16_000);
  expect(presence.alone).toBe(false);
  presence.announced(16_000 + aloneAfterMs - 1);
  presence.announced(16_000 + aloneAfterMs - 1);
  expect(presence.alone).toBe(false);
  presence.announced(16_000 + aloneAfterMs);
  expect(presence.alone).toBe(true);
});

test("a pause of one's own is not the others' silence", () => {
  const presence = new Presence(0);
  presence.announced(0);
  presence.heard(100);
  // The process was stopped; what the others said meanwhile has not been read yet.
  presence.announced(60_000);
  expect(presence.alone).toBe(false);
  presence.heard(60_001);
  presence.announced(65_000);
  expect(presence.alone).toBe(false);
});
