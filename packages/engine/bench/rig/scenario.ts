import { calibrate, type Calm } from "./machine.ts";

export interface BenchOptions {
  /** Of every contender, one after the other. */
  readonly rounds: number;
  /** How long one contender is measured in one round. */
  readonly roundMs: number;
  /** What outgrows two cores and twenty minutes. */
  readonly full: boolean;
  /** A folder for processor profiles of the replicas; null: none. */
  readonly profile: string | null;
  readonly say: (line: string) => void;
}

/** What one contender came to in one round, by the name of the figure. */
export type Figures = Readonly<Record<string, number>>;

export interface Contender {
  readonly name: string;
  /** The contender that its figures are divided by; absent: it is a floor itself, or has none. */
  readonly against?: string;
  readonly measure: () => Promise<Figures>;
}

export interface Outcome {
  readonly name: string;
  readonly against: string | null;
  readonly rounds: readonly Figures[];
}

export interface Result {
  readonly scenario: string;
  /** What was asked of every contender. */
  readonly work: string;
  readonly outcomes: readonly Outcome[];
  /** Before the first round and after each. */
  readonly calms: readonly Calm[];
  readonly notes: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  /** One that a plain `npm run bench` leaves out. */
  readonly extra?: boolean;
  run(options: BenchOptions): Promise<Result[]>;
}

/** A B C A B C …: what disturbs the machine for a while disturbs everyone alike. */
export async function interleave(
  { rounds, say }: Pick<BenchOptions, "rounds" | "say">,
  contenders: readonly Contender[],
): Promise<Pick<Result, "outcomes" | "calms">> {
  const figures = contenders.map((): Figures[] => []);
  /* oxlint-disable no-await-in-loop */
  // Code is compiled, caches find their sizes: of everyone, and counted for no one.
  for (const contender of contenders) await contender.measure();
  const calms = [calibrate()];
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      figures[i]?.push(await contender.measure());
    }
    calms.push(calibrate());
    say(`  round ${round + 1} of ${rounds}`);
  }
  /* oxlint-enable no-await-in-loop */
  const outcomes = contenders.map(({ name, against }, i) => {
    return { name, against: against ?? null, rounds: figures[i] ?? [] };
  });
  return { outcomes, calms };
}
