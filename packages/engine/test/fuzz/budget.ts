import fc from "fast-check";
import { systemClock } from "../../src/lib/clock.ts";
import { systemRandom } from "../../src/lib/random.ts";

/** `npm run fuzz -- --minutes N` divides them among the properties. */
const seconds = Number(process.env["PARLEY_FUZZ_SECONDS"] ?? 0);
const given = process.env["PARLEY_FUZZ_SEED"];

/** Of a failing value, in the error that tells of it. */
const exampleCharsMax = 2_000;

/** How long a test of one property may take, in milliseconds. */
export const fuzzMsMax = 120_000 + seconds * 2_000;

/**
 * Tries `runs` values, or as many as fit into the time that was asked for. The seed is printed; `PARLEY_FUZZ_SEED` repeats it.
 */
export async function fuzz<T>(
  name: string,
  values: fc.Arbitrary<T>,
  runs: number,
  check: (value: T) => Promise<void> | void,
): Promise<void> {
  const seed =
    given === undefined ? Math.floor(systemRandom(systemClock).float() * 2 ** 31) : Number(given);
  let tried = 0;
  const property = fc.asyncProperty(values, async (value) => {
    tried += 1;
    await check(value);
  });
  const long = { numRuns: 100_000_000, interruptAfterTimeLimit: seconds * 1000 };
  const limits = seconds > 0 ? { ...long, markInterruptAsFailure: false } : { numRuns: runs };
  // Shrinking asks a live server for minutes: what failed is small enough.
  const outcome = await fc.check(property, { seed, endOnFailure: true, ...limits });
  process.stderr.write(`fuzz ${name}: ${tried} tried, seed ${seed}\n`);
  if (!outcome.failed) return;
  const example = fc.stringify(outcome.counterexample).slice(0, exampleCharsMax);
  throw new Error(`${name}: failed with seed ${seed} after ${tried} for ${example}`, {
    cause: outcome.errorInstance,
  });
}
