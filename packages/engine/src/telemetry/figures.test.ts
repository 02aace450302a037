import { expect, test } from "vitest";
import { FigureCounts } from "./figure-counts.ts";
import { Figures, figureEveryMs, figurePointsMax } from "./figures.ts";

function rig() {
  const counts = new FigureCounts();
  const totals = { statements: 100, parts: 1_000 };
  const figures = new Figures(
    {
      take: () => counts.take(),
      statements: () => totals.statements,
      parts: () => totals.parts,
      pool: () => ({ size: 8, used: 3, waiting: 1 }),
    },
    0,
  );
  return { counts, totals, figures };
}

test("a point is what happened since the last one, each second", () => {
  const { counts, totals, figures } = rig();
  for (let i = 0; i < 10; i++) counts.turn();
  for (const ms of [400, 100, 200, 300]) counts.firstPart(ms);
  counts.error("rate_limit");
  counts.error("rate_limit");
  totals.statements += 25;
  totals.parts += 500;
  expect(figures.take(figureEveryMs)).toEqual({
    every_ms: figureEveryMs,
    turns: [2],
    first_part_p50_ms: [200],
    first_part_p95_ms: [400],
    statements: [5],
    parts: [100],
    pool_used: [3],
    pool_waiting: [1],
    pool_size: 8,
    errors: { rate_limit: [2] },
  });
  expect(figures.take(2 * figureEveryMs)).toMatchObject({
    turns: [2, 0],
    first_part_p50_ms: [200, null],
    statements: [5, 0],
    errors: { rate_limit: [2, 0] },
  });
});

test("there is none before its time, and a beat that is a little early makes one", () => {
  const { figures } = rig();
  expect(figures.take(1_000)).toBe(null);
  expect(figures.take(figureEveryMs - 400)).not.toBe(null);
  expect(figures.take(figureEveryMs + 400)).toBe(null);
});

test("a pause leaves a gap, and the ring stays bounded", () => {
  const { counts, figures } = rig();
  figures.take(figureEveryMs);
  counts.turn();
  expect(figures.take(4 * figureEveryMs)?.turns).toEqual([0, null, null, 0.1]);
  expect(figures.take(10 * figurePointsMax * figureEveryMs)?.turns).toHaveLength(figurePointsMax);
});
