import { median } from "./figures.ts";
import { ratioOf, valuesOf } from "./report.ts";
import type { Outcome, Result } from "./scenario.ts";

/** Figures of a run by name; null: it was not measured. */
export class Look {
  readonly #results: readonly Result[];

  constructor(results: readonly Result[]) {
    this.#results = results;
  }

  median(scenario: string, contender: string, figure: string): number | null {
    const found = this.#find(scenario, contender);
    return found === null ? null : medianOf(found, figure);
  }

  /** Over the contender's floor in the same round. */
  ratio(scenario: string, contender: string, figure: string): number | null {
    const found = this.#find(scenario, contender);
    return found === null ? null : ratioOf(found, figure, this.#outcomes(scenario));
  }

  /** The largest size of a scenario against its smallest. */
  lastRatio(scenario: string, figure: string): number | null {
    const outcomes = this.#outcomes(scenario);
    const last = outcomes.at(-1);
    return last === undefined ? null : ratioOf(last, figure, outcomes);
  }

  /** Of those that are not ours, with a figure: the least first. */
  peers(scenario: string, figure: string): { name: string; value: number }[] {
    return this.#outcomes(scenario)
      .filter(({ name }) => name.startsWith("peer: "))
      .flatMap((outcome) => {
        const value = medianOf(outcome, figure);
        return value === null ? [] : [{ name: outcome.name.slice("peer: ".length), value }];
      })
      .toSorted((a, b) => a.value - b.value);
  }

  #find(scenario: string, contender: string): Outcome | null {
    return this.#outcomes(scenario).find(({ name }) => name === contender) ?? null;
  }

  #outcomes(scenario: string): readonly Outcome[] {
    return this.#results.find((result) => result.scenario === scenario)?.outcomes ?? [];
  }
}

function medianOf(outcome: Outcome, figure: string): number | null {
  const values = valuesOf(outcome, figure);
  return values.length === 0 ? null : median(values);
}
