import type { ReplicaMetricsAnswer } from "@parley/protocol";
import { expect, test } from "vitest";
import { chartsOf, inTime, pointsMax, secondsBefore, type Measured } from "./charts.ts";

const metrics = (over: Partial<ReplicaMetricsAnswer> = {}): ReplicaMetricsAnswer => ({
  replica_id: "r",
  every_ms: 5_000,
  age_ms: 0,
  turns: [],
  first_part_p50_ms: [],
  first_part_p95_ms: [],
  statements: [],
  parts: [],
  pool_used: [],
  pool_waiting: [],
  pool_size: 8,
  errors: {},
  ...over,
});

const measured = (...all: Partial<ReplicaMetricsAnswer>[]): Measured[] =>
  all.map((over, colour) => ({ name: `s${colour}`, colour, metrics: metrics(over) }));

const chart = (name: string, of: Measured[]) => {
  const found = chartsOf(of).find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no chart ${name}`);
  return found;
};

test("values stand where they were measured: those of a silent replica further back", () => {
  expect(inTime([1, 2], metrics()).slice(-3)).toEqual([null, 1, 2]);
  expect(inTime([1, 2], metrics({ age_ms: 10_400 })).slice(-4)).toEqual([1, 2, null, null]);
  expect(inTime([1, 2], metrics({ age_ms: 86_400_000 })).every((value) => value === null)).toBe(
    true,
  );
  expect(secondsBefore(measured({})).at(-1)).toBe(0);
  expect(secondsBefore([])).toHaveLength(pointsMax);
});

test("the figure beside a rate is of all replicas together, and of now", () => {
  const turns = chart("Turns", measured({ turns: [9, 1.5] }, { turns: [4, null, 2] }));
  expect(turns.now).toBe("3.5 a second");
  expect(turns.text).toBe("Turns in the last five minutes: now 3.5 a second, at most 9.");
  expect(turns.lines.map(({ label }) => label)).toEqual(["s0", "s1"]);
  const silent = chart("Turns", measured({ turns: [9, 9], age_ms: 60_000 }));
  expect(silent.now).toBe("0 a second");
});

test("the time to the first part says that there was none", () => {
  expect(chart("Time to the first part", measured({})).text).toContain("No model was called");
  const some = chart(
    "Time to the first part",
    measured({ first_part_p50_ms: [400, null], first_part_p95_ms: [2_500, null] }),
  );
  expect(some.now).toBe("400 ms");
  expect(some.text).toContain("lately 400 ms, at most 2.5 s");
});

test("failures are counted by kind, over all replicas", () => {
  const none = chart("Failures by kind", measured({ errors: { server: [0, 0] } }));
  expect([none.now, none.lines]).toEqual(["none", []]);
  const some = chart(
    "Failures by kind",
    measured({ errors: { rate_limit: [1, 2] } }, { errors: { rate_limit: [1], http: [1] } }),
  );
  expect(some.text).toBe("5 failures in the last five minutes: 1 × answers 5xx, 4 × rate limit.");
});
