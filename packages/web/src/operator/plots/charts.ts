import type { ReplicaMetricsAnswer } from "@parley/protocol";
import { amount, delay, plural } from "../wording.ts";

/** Points of a chart: five minutes, as far back as replicas remember. */
export const pointsMax = 60;
const everyMsDefault = 5_000;
/** The newest values of several replicas were not measured at the same moment. */
const newestPoints = 3;

export type Value = number | null;

export interface Line {
  readonly label: string;
  /** Which of the plot colours. */
  readonly colour: number;
  readonly dashed: boolean;
  readonly values: readonly Value[];
}

export interface Chart {
  readonly name: string;
  /** The figure beside the name. */
  readonly now: string;
  /** What the picture shows, in words. */
  readonly text: string;
  /** How a value at the side is written. */
  readonly written: (value: number) => string;
  readonly lines: readonly Line[];
  /** Values that are far apart belong together all the same. */
  readonly sparse: boolean;
  /** Also a single line says what it is. */
  readonly alwaysNamed: boolean;
}

/** One replica's figures. */
export interface Measured {
  readonly name: string;
  readonly colour: number;
  readonly metrics: ReplicaMetricsAnswer;
}

type Key = "turns" | "statements" | "parts" | "pool_used";

/** The pictures of the last minutes, a line for each replica. */
export function chartsOf(measured: readonly Measured[]): Chart[] {
  return [
    rate(measured, "turns", "Turns", "a second"),
    firstParts(measured),
    rate(measured, "parts", "Live parts", "a second"),
    rate(measured, "statements", "Database statements", "a second"),
    connections(measured),
    failures(measured),
  ];
}

/** Seconds before now of each point. */
export function secondsBefore(measured: readonly Measured[]): number[] {
  const everyMs = measured[0]?.metrics.every_ms ?? everyMsDefault;
  return Array.from({ length: pointsMax }, (_, at) => ((at + 1 - pointsMax) * everyMs) / 1_000);
}

/** The values where they belong in time: those of a replica that has written nothing for a while lie further back. */
export function inTime(
  values: readonly Value[],
  { age_ms: ageMs, every_ms: everyMs }: Pick<ReplicaMetricsAnswer, "age_ms" | "every_ms">,
): Value[] {
  const late = Math.max(0, Math.floor((ageMs ?? 0) / everyMs));
  const placed: Value[] = [
    ...Array<Value>(pointsMax).fill(null),
    ...values,
    ...Array<Value>(Math.min(late, pointsMax)).fill(null),
  ];
  return placed.slice(-pointsMax);
}

function lineOf({ name, colour, metrics }: Measured, values: readonly Value[]): Line {
  return { label: name, colour, dashed: false, values: inTime(values, metrics) };
}

function rate(measured: readonly Measured[], key: Key, name: string, per: string): Chart {
  const lines = measured.map((one) => lineOf(one, one.metrics[key]));
  const sums = sumOf(lines.map(({ values }) => values));
  const now = lines.reduce((sum, { values }) => sum + (newest(values) ?? 0), 0);
  const most = Math.max(0, ...sums.map((value) => value ?? 0));
  return {
    name,
    now: `${amount(now)} ${per}`,
    text: `${name} in the last five minutes: now ${amount(now)} ${per}, at most ${amount(most)}.`,
    written: amount,
    lines,
    sparse: false,
    alwaysNamed: false,
  };
}

function connections(measured: readonly Measured[]): Chart {
  const size = measured.reduce((sum, { metrics }) => sum + metrics.pool_size, 0);
  const chart = rate(measured, "pool_used", "Connections in use", `of ${size}`);
  const waiting = measured.reduce(
    (sum, { metrics }) => sum + (newest(inTime(metrics.pool_waiting, metrics)) ?? 0),
    0,
  );
  const more = waiting > 0 ? ` ${plural(waiting, "request")} wait for one.` : "";
  return { ...chart, text: chart.text + more };
}

function firstParts(measured: readonly Measured[]): Chart {
  const middle = measured.map((one) => lineOf(one, one.metrics.first_part_p50_ms));
  const slow = measured.map((one) => lineOf(one, one.metrics.first_part_p95_ms));
  const last = Math.max(0, ...middle.map(({ values }) => values.findLast(isNumber) ?? 0));
  const slowest = Math.max(0, ...slow.flatMap(({ values }) => values.filter(isNumber)));
  const any = slow.some(({ values }) => values.some(isNumber));
  return {
    name: "Time to the first part",
    now: any ? delay(last) : "–",
    text: any
      ? `Time to the first part in the last five minutes: lately ${delay(last)}, at most ${delay(slowest)}. Solid: the median; dashed: 95 of 100 come sooner.`
      : "No model was called in the last five minutes.",
    written: delay,
    lines: [...middle, ...slow.map((line) => ({ ...line, dashed: true }))],
    sparse: true,
    alwaysNamed: false,
  };
}

/** All replicas together, a line for each kind: whose it was is told by the log. */
function failures(measured: readonly Measured[]): Chart {
  const kinds = [...new Set(measured.flatMap(({ metrics }) => Object.keys(metrics.errors)))];
  const lines = kinds
    .toSorted((a, b) => a.localeCompare(b))
    .map((kind, at): Line => {
      const of = measured.map(({ metrics }) => inTime(metrics.errors[kind] ?? [], metrics));
      return { label: kindText(kind), colour: at, dashed: false, values: sumOf(of) };
    })
    .filter(({ values }) => total(values) > 0);
  const all = lines.reduce((sum, { values }) => sum + total(values), 0);
  const by = lines.map(({ label, values }) => `${amount(total(values))} × ${label}`).join(", ");
  return {
    name: "Failures by kind",
    now: all === 0 ? "none" : amount(all),
    text:
      all === 0
        ? "Nothing has failed in the last five minutes."
        : `${plural(all, "failure")} in the last five minutes: ${by}.`,
    written: amount,
    lines,
    sparse: false,
    alwaysNamed: true,
  };
}

const kindTexts: Readonly<Record<string, string>> = { http: "answers 5xx", internal: "internal" };

function kindText(kind: string): string {
  return kindTexts[kind] ?? kind.replaceAll("_", " ");
}

function sumOf(lists: readonly (readonly Value[])[]): Value[] {
  return Array.from({ length: pointsMax }, (_, at) => {
    const values = lists.map((list) => list[at] ?? null).filter(isNumber);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
  });
}

function newest(values: readonly Value[]): Value {
  return values.slice(-newestPoints).findLast(isNumber) ?? null;
}

function total(values: readonly Value[]): number {
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

function isNumber(value: Value): value is number {
  return value !== null;
}
