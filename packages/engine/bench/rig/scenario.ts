import { calibrate, type Calm } from "./machine.ts";
import { nowMs } from "./time.ts";

export interface BenchOptions {
  /** Of every contender, one after the other. */
  readonly rounds: number;
  /** No round begins after this, once there are three of them. */
  readonly scenarioMsMax: number;
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
  /** Why it has no more rounds than these; null: it has all. */
  readonly failure: string | null;
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
  /** Unless the caller says how many: what its spread asks for. */
  readonly rounds?: number;
  /** One that a plain `npm run bench` leaves out. */
  readonly extra?: boolean;
  run(options: BenchOptions): Promise<Result[]>;
}

/** The least that each does before anything is counted. What is compiled in the first seconds of a process is work that a server does once in its life. */
const warmMsMin = 5_000;

/** A B C A B C …: what disturbs the machine for a while disturbs everyone alike. */
export async function interleave(
  { rounds, scenarioMsMax, say }: Pick<BenchOptions, "rounds" | "scenarioMsMax" | "say">,
  contenders: readonly Contender[],
  warmMs = warmMsMin,
): Promise<Pick<Result, "outcomes" | "calms">> {
  const entries = contenders.map((contender): Entry => {
    return { contender, rounds: [], failure: null };
  });
  /* oxlint-disable no-await-in-loop */
  // Code is compiled, caches find their sizes: of everyone, and counted for no one.
  for (const entry of entries) {
    const warm = nowMs() + warmMs;
    do await attempt(entry);
    while (entry.failure === null && nowMs() < warm);
    say(`  ${entry.contender.name}${entry.failure === null ? "" : ` failed: ${entry.failure}`}`);
  }
  for (const { rounds: counted } of entries) counted.length = 0;
  const calms = [calibrate()];
  const end = nowMs() + scenarioMsMax;
  for (let round = 0; round < rounds && (round < 3 || nowMs() < end); round++) {
    for (const entry of entries) await attempt(entry);
    calms.push(calibrate());
    say(`  round ${round + 1} of ${rounds}`);
  }
  /* oxlint-enable no-await-in-loop */
  const outcomes = entries.map(({ contender: { name, against }, rounds: counted, failure }) => {
    return { name, against: against ?? null, rounds: counted, failure };
  });
  return { outcomes, calms };
}

interface Entry {
  readonly contender: Contender;
  readonly rounds: Figures[];
  failure: string | null;
}

/** Longer than any round takes on the slowest machine: who hangs does not hold up the others. */
const roundMsMax = 180_000;

/** Who has failed is not asked again, and the others go on. */
async function attempt(entry: Entry): Promise<void> {
  if (entry.failure !== null) return;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("a round had no end")), roundMsMax);
  try {
    entry.rounds.push(await Promise.race([entry.contender.measure(), late.promise]));
  } catch (error) {
    entry.failure = (error as Error).message.split("\n")[0] ?? "";
  } finally {
    clearTimeout(timer);
  }
}
