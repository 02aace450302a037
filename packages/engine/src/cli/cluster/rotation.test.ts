import { expect, test } from "vitest";
import { rotation, type Health } from "./rotation.ts";

const members = (...health: Health[]) =>
  health.map((each, index) => ({ name: index + 1, health: each }));
const order = (list: ReturnType<typeof members>, turn: number) =>
  rotation(list, turn).map(({ name }) => name);

test("every request begins with the next replica", () => {
  const all = members("ready", "ready", "ready");
  expect([0, 1, 2, 3].map((turn) => order(all, turn))).toEqual([
    [1, 2, 3],
    [2, 3, 1],
    [3, 1, 2],
    [1, 2, 3],
  ]);
});

test("those that are not ready come last, and silent ones not at all", () => {
  const all = members("unready", "ready", "silent", "ready");
  expect(order(all, 0)).toEqual([2, 4, 1]);
  expect(order(all, 1)).toEqual([4, 2, 1]);
});

test("without any there is nothing to try", () => {
  expect(order([], 5)).toEqual([]);
  expect(order(members("silent"), 5)).toEqual([]);
});
