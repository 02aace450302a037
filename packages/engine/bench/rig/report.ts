import { median, short } from "./figures.ts";
import { isNoisy, type Machine } from "./machine.ts";
import type { Outcome, Result } from "./scenario.ts";

/** One row per contender: the median of its rounds with their spread, and how many times its floor that is. */
export function tableOf({ scenario, work, outcomes, calms, notes }: Result): string {
  const names = [...new Set(outcomes.flatMap(({ rounds }) => Object.keys(rounds[0] ?? {})))];
  const lines = [
    `### ${scenario}`,
    "",
    `${work}; ${Math.max(...outcomes.map(({ rounds }) => rounds.length))} rounds.`,
    "",
    `| | ${names.join(" | ")} |`,
    `| --- |${names.map(() => " ---: |").join("")}`,
    ...outcomes.map((outcome) => {
      const cells = names.map((name) => cellOf(outcome, name, outcomes));
      const failed = outcome.failure === null ? "" : ` (failed: ${outcome.failure})`;
      return `| ${outcome.name}${failed} | ${cells.join(" | ")} |`;
    }),
    "",
    ...notes.map((note) => `${note}\n`),
  ];
  if (isNoisy(calms)) {
    const worst = Math.max(...calms.map(({ stretch }) => stretch));
    const load = Math.max(...calms.map(({ loadPerCore }) => loadPerCore));
    lines.push(
      `**Noisy**: others had the machine too (a loop took up to ${short(worst)} times its processor time; load ${short(load)} per core). Trust ratios.\n`,
    );
  }
  return lines.join("\n");
}

function cellOf(outcome: Outcome, name: string, all: readonly Outcome[]): string {
  const values = valuesOf(outcome, name);
  if (values.length === 0) return "";
  const spread =
    values.length > 1 ? ` (${short(Math.min(...values))}–${short(Math.max(...values))})` : "";
  const ratio = ratioOf(outcome, name, all);
  const times = ratio === null ? "" : ` **×${short(ratio)}**`;
  return `${short(median(values))}${spread}${times}`;
}

/** The median over the rounds of a figure over the floor's in the same round; null where there is none. */
export function ratioOf(outcome: Outcome, name: string, all: readonly Outcome[]): number | null {
  const floor = all.find((other) => other.name === outcome.against);
  if (floor === undefined) return null;
  const ratios = outcome.rounds.flatMap((figures, i) => {
    const own = figures[name];
    const least = floor.rounds[i]?.[name];
    return own === undefined || !least ? [] : [own / least];
  });
  return ratios.length === 0 ? null : median(ratios);
}

export function valuesOf({ rounds }: Outcome, name: string): number[] {
  return rounds.flatMap((figures) => {
    const value = figures[name];
    return Number.isFinite(value) ? [value as number] : [];
  });
}

export interface Report {
  readonly machine: Machine;
  readonly taken_at: string;
  readonly minutes: number;
  readonly results: readonly Result[];
  /** Scenarios that came to no result, and why. */
  readonly failures: readonly string[];
}

/** The report, with the medians and ratios that others may want to read from it. */
export function withMedians(report: Report): unknown {
  return {
    ...report,
    results: report.results.map((result) => ({
      ...result,
      noisy: isNoisy(result.calms),
      outcomes: result.outcomes.map((outcome) => ({
        ...outcome,
        medians: figuresOf(outcome, (name) => median(valuesOf(outcome, name))),
        ratios: figuresOf(outcome, (name) => ratioOf(outcome, name, result.outcomes)),
      })),
    })),
  };
}

/** Where and when, and how much of the machine was ours: one sentence. */
export function describe({ machine, taken_at, minutes, results }: Report): string {
  const { processor, cores, memoryGiB, system, node } = machine;
  const noisy = results.filter(({ calms }) => isNoisy(calms)).map(({ scenario }) => scenario);
  const noise =
    noisy.length === 0 ? "quiet throughout" : `others at work during ${noisy.join(", ")}`;
  const on = `${cores} × ${processor}, ${memoryGiB} GiB, ${system}, Node ${node}`;
  return `Medians of a run on ${taken_at.slice(0, 10)}: ${on}; ${Math.ceil(minutes)} minutes, ${noise}.`;
}

function figuresOf<T>({ rounds }: Outcome, of: (name: string) => T): Record<string, T> {
  return Object.fromEntries(Object.keys(rounds[0] ?? {}).map((name) => [name, of(name)]));
}
