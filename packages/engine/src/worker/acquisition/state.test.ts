import { describe, expect, test } from "vitest";
import { decideReserve, freeOf, jittered, Served } from "./state.ts";

describe("a chat that the API has just made runnable", () => {
  const room = { accepting: true, free: 1, othersWait: false, hasModel: true, resumes: false };
  const running = { status: "running" } as const;

  test("is taken where there is room, and nobody was there first", () => {
    expect(decideReserve(running, room)).toBe(true);
    expect(decideReserve(running, { ...room, free: 0 })).toBe(false);
    expect(decideReserve(running, { ...room, othersWait: true })).toBe(false);
    expect(decideReserve(running, { ...room, hasModel: false })).toBe(false);
    expect(decideReserve(running, { ...room, accepting: false })).toBe(false);
  });

  test("is taken where it resumes, however full it is, by who can run it", () => {
    const full = { ...room, free: 0, othersWait: true, resumes: true };
    expect(decideReserve(running, full)).toBe(true);
    expect(decideReserve(running, { ...full, hasModel: false })).toBe(false);
    expect(decideReserve(running, { ...full, accepting: false })).toBe(false);
  });

  test("is taken in any case to be stopped, unless the worker takes nothing", () => {
    const none = { accepting: true, free: 0, othersWait: true, hasModel: false, resumes: false };
    expect(decideReserve({ status: "interrupting" }, none)).toBe(true);
    expect(decideReserve({ status: "interrupting" }, { ...none, accepting: false })).toBe(false);
  });
});

test("room is never negative: who resumes needs no leave", () => {
  expect(freeOf(2, 1)).toBe(1);
  expect(freeOf(2, 5)).toBe(0);
});

test("the timer keeps within a fifth of its time", () => {
  expect(jittered(1_000, { float: () => 0 })).toBe(800);
  expect(jittered(1_000, { float: () => 1 })).toBeCloseTo(1_200);
});

test("owners are remembered in the order in which they were served last, and not for ever", () => {
  const served = new Served();
  for (const owner of ["a", "b", "a"]) served.add(owner);
  expect(served.list()).toEqual(["b", "a"]);
  for (let i = 0; i < 1_000; i++) served.add(`owner ${i}`);
  expect(served.list()).toHaveLength(200);
});
