import { expect, test } from "vitest";
import {
  initialState,
  next,
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
} from "./connection-state.ts";

const random = { float: () => 1 };
const failed = (dial: number, nowMs: number): ConnectionEvent => ({
  type: "failed",
  dial,
  nowMs,
  problem: "down",
  random,
});

function play(...events: ConnectionEvent[]): { state: ConnectionState; effects: string[] } {
  let state = initialState;
  const effects: ConnectionEffect[] = [];
  for (const event of events) {
    const step = next(state, event);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects: effects.map((each) => Object.values(each).join(" ")) };
}

const wanted = (nowMs: number): ConnectionEvent => ({ type: "wanted", nowMs });

test("is made once, however many want it", () => {
  const { state, effects } = play(
    wanted(0),
    wanted(1),
    { type: "called" },
    { type: "connected", dial: 1 },
    wanted(2),
  );
  expect(state.phase).toBe("open");
  expect(effects).toEqual(["dial 1"]);
});

test("is tried again later and later; a call does not wait for that", () => {
  const { state, effects } = play(
    wanted(0),
    failed(1, 0),
    wanted(1_499),
    wanted(1_500),
    failed(2, 1_500),
    { type: "called" },
    failed(3, 1_500),
  );
  expect(state).toMatchObject({ phase: "waiting", failures: 3, problem: "down" });
  expect(effects).toEqual(["dial 1", "retry 1500", "dial 2", "retry 2500", "dial 3", "retry 4500"]);
});

test("forgets its failures once it was open, and does not turn in circles", () => {
  const { state, effects } = play(
    wanted(0),
    failed(1, 0),
    { type: "called" },
    { type: "connected", dial: 2 },
    { type: "lost", dial: 2 },
    wanted(0),
    failed(3, 0),
  );
  expect(state).toMatchObject({ phase: "waiting", failures: 1 });
  expect(effects).toEqual(["dial 1", "retry 1500", "dial 2", "retry 1000", "dial 3", "retry 1500"]);
});

test("hears nothing of attempts that were given up", () => {
  const opened: ConnectionEvent[] = [wanted(0), failed(1, 0), { type: "called" }];
  expect(play(...opened, { type: "connected", dial: 1 }).state.phase).toBe("connecting");
  expect(play(...opened, failed(1, 9)).state.phase).toBe("connecting");
  expect(
    play(...opened, { type: "connected", dial: 2 }, { type: "lost", dial: 1 }).state.phase,
  ).toBe("open");
});

test("closes when it is idle or stopped, and stays stopped", () => {
  expect(play(wanted(0), { type: "connected", dial: 1 }, { type: "idle" })).toMatchObject({
    state: { phase: "idle" },
    effects: ["dial 1", "close"],
  });
  const over = play(wanted(0), { type: "stop" }, wanted(9), { type: "called" }, failed(1, 0));
  expect(over).toMatchObject({ state: { phase: "stopped" }, effects: ["dial 1", "close"] });
  expect(play(wanted(0), { type: "stop" }, { type: "connected", dial: 1 }).effects).toEqual([
    "dial 1",
    "close",
    "close",
  ]);
});
