import { statusSchema } from "@parley/protocol";
import { expect, test } from "vitest";
import { isRunnable, stateOf, states, type State } from "./state.ts";
import { landings, transitions, type Row, type TransitionName } from "./transitions.ts";

const all = Object.entries(transitions) as [TransitionName, { readonly rows: readonly Row[] }][];

test("the table is whole: so many transitions and rows", () => {
  expect(all).toHaveLength(26);
  expect(all.reduce((sum, [, { rows }]) => sum + rows.length, 0)).toBe(130);
});

test("no row is listed twice, and none is left or entered by name of nothing", () => {
  for (const [name, { rows }] of all) {
    const keys = rows.map((row) => `${row.from}/${row.variant}`);
    expect(new Set(keys).size, name).toBe(keys.length);
    for (const row of rows) {
      expect(states).toContain(row.from);
      for (const to of row.to) expect(states).toContain(to);
    }
  }
});

test("every live state can be left, and no transition leads into Invalid", () => {
  for (const state of states) {
    expect(all.some(([, { rows }]) => rows.some((row) => row.from === state))).toBe(true);
  }
  expect(all.some(([, { rows }]) => rows.some((row) => row.to.includes("Invalid")))).toBe(false);
});

test("what is not listed has no landings", () => {
  expect(landings("finishTurn", "W", undefined)).toBeNull();
  expect(landings("interrupt", "I0", undefined)).toBeNull();
  expect(landings("interrupt", "I0", "hold")).toEqual(["I0"]);
});

test("a state follows from status, queue and archived flag; all other combinations are Invalid", () => {
  const found: Partial<Record<State, number>> = {};
  for (const status of statusSchema.options) {
    for (const archived of [false, true]) {
      for (const queue_length of [0, 1, 20]) {
        const row = { status, archived, queue_length };
        const state = stateOf(row);
        found[state] = (found[state] ?? 0) + 1;
        expect(isRunnable(row)).toBe(
          ["R", "I", "A"].includes(state[0] ?? "") && state !== "Invalid",
        );
      }
    }
  }
  // Of 30 combinations: the 0-states once each, the 1-states for both lengths, and thirteen that no transition makes.
  expect(found).toEqual({
    W: 1,
    E0: 1,
    E1: 2,
    R0: 1,
    R1: 2,
    I0: 1,
    I1: 2,
    A0: 1,
    A1: 2,
    XW: 1,
    XE0: 1,
    XE1: 2,
    Invalid: 13,
  });
  expect(stateOf(null)).toBe("N");
});
