import { expect, test } from "vitest";
import { Look } from "../bench/rig/look.ts";
import { tableOf } from "../bench/rig/report.ts";
import { interleave, type Figures, type Result } from "../bench/rig/scenario.ts";
import { targetsTable } from "../bench/rig/targets.ts";

const options = { rounds: 3, scenarioMsMax: 60_000, say: () => {} };

function counting(order: string[], name: string, figures: (round: number) => Figures) {
  let round = 0;
  return async (): Promise<Figures> => {
    order.push(name);
    return await Promise.resolve(figures(round++));
  };
}

test("contenders take turns, the first round counts for no one, and who fails does not end the run", async () => {
  const order: string[] = [];
  const warmMs = 0;
  const measured = await interleave(
    options,
    [
      { name: "floor", measure: counting(order, "f", (round) => ({ "p50 ms": 10 ** round })) },
      {
        name: "ours",
        against: "floor",
        measure: counting(order, "o", (round) => ({ "p50 ms": 2 * 10 ** round })),
      },
      {
        name: "theirs",
        measure: counting(order, "t", (round) => {
          if (round === 2) throw new Error("has had enough");
          return { "p50 ms": 1 };
        }),
      },
    ],
    warmMs,
  );
  expect(order.join("")).toBe("fotfotfotfo");
  const result: Result = { scenario: "s", work: "Something", notes: [], ...measured };
  const table = tableOf(result);
  // Of each round its own ratio: of all rounds together it would be anything.
  expect(table).toContain("| ours | 200 (20.0–2000) **×2.00** |");
  expect(table).toContain("| theirs (failed: has had enough) | 1.00 |");
});

test("a run judges its targets by itself", () => {
  const rounds = (value: number): Figures[] => [{ "CPU µs per part": value }];
  const outcome = (name: string, value: number, against: string | null = null) => {
    return { name, against, rounds: rounds(value), failure: null };
  };
  const at = (ours: number, theirs: number): string[] => {
    const outcomes = [
      outcome("floor: bare broadcast", 10),
      outcome("Parley, same replica", ours, "floor: bare broadcast"),
      outcome("Parley, another replica", ours, "floor: bare broadcast"),
      outcome("peer: another", theirs),
    ];
    const result = { scenario: "fan-out to 1000", work: "", outcomes, calms: [], notes: [] };
    return targetsTable(new Look([result]))
      .split("\n")
      .slice(2);
  };
  expect(at(12, 24)).toEqual([
    expect.stringMatching(/^\| fan-out to 1,000.* \| ×1\.20 \| met \|$/),
    expect.stringMatching(/^\| ahead of every peer.* \| ×0\.500 \| met \|$/),
  ]);
  expect(at(15, 12)).toEqual([
    expect.stringMatching(/\| ×1\.50 \| \*\*missed\*\* \|$/),
    expect.stringMatching(/\| ×1\.25 \| \*\*missed\*\* \|$/),
  ]);
});
