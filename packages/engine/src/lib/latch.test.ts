import { expect, it } from "vitest";
import { Latch } from "./latch.ts";

it("does what waits when it is opened, once and in order, and what comes later at once", () => {
  const done: string[] = [];
  const latch = new Latch();
  latch.whenOpen(() => done.push("a"));
  latch.whenOpen(() => done.push("b"));
  expect(done).toEqual([]);
  latch.open();
  expect(done).toEqual(["a", "b"]);
  latch.open();
  latch.whenOpen(() => done.push("c"));
  expect(done).toEqual(["a", "b", "c"]);
});
