import { cpus } from "node:os";
import { describe, expect, test } from "vitest";
import { runCampaign, type FinishedRun, type RunOrder } from "./campaign.ts";
import { failureLines, Totals } from "./report.ts";
import { failedSeeds, newSeeds } from "./seeds.ts";

/** Real time that new seeds have, for those who want a bound; those that once failed come first, always. */
const newSeedsMs = Number(process.env["PARLEY_TEST_SIM_SECONDS"] ?? Infinity) * 1_000;

const newSeedsMax = 100;

const minutes = 2;

/** The other tests run beside this: more processes would only wait. */
const jobs = Math.min(2, cpus().length);

const orderOf = (seed: string, over: Partial<RunOrder> = {}): RunOrder => ({
  seed,
  minutes,
  withoutFaults: [],
  withoutActions: [],
  ...over,
});

async function runAll(next: () => RunOrder | null, jobsWanted = jobs): Promise<FinishedRun[]> {
  const finished: FinishedRun[] = [];
  await runCampaign({ next, jobs: jobsWanted, onFinished: (run) => void finished.push(run) });
  return finished;
}

describe("the simulator", () => {
  test("gives the same trace for the same seed, byte for byte, whatever its process has run before", async () => {
    const orders = ["same", "other", "same"].map((seed) => orderOf(seed, { minutes: 0.5 }));
    const [first, , again] = await runAll(() => orders.shift() ?? null, 1);
    const fresh = [orderOf("same", { minutes: 0.5 })];
    const [elsewhere] = await runAll(() => fresh.shift() ?? null, 1);
    expect(first?.result.lines).toBeGreaterThan(1_000);
    expect(again?.result.digest).toBe(first?.result.digest);
    expect(elsewhere?.result.digest).toBe(first?.result.digest);
  });

  test("finds nothing wrong with seeds that once failed, nor with new ones of this commit", async () => {
    const known = failedSeeds().map(({ seed, minutes: its }) => orderOf(seed, { minutes: its }));
    const fresh = newSeeds(newSeedsMax).map((seed) => orderOf(seed));
    const startedMs = performance.now();
    // The old ones take what they take.
    let freshSinceMs: number | null = null;
    const finished = await runAll(() => {
      const again = known.shift();
      if (again) return again;
      freshSinceMs ??= performance.now();
      return performance.now() - freshSinceMs > newSeedsMs ? null : (fresh.shift() ?? null);
    });
    const totals = new Totals();
    for (const run of finished) totals.add(run);
    process.stdout.write(`${totals.lines(performance.now() - startedMs).join("\n")}\n`);
    const failures = finished.filter(({ result }) => result.violations.length > 0);
    expect(failures.flatMap((run) => failureLines(run)).join("\n")).toBe("");
    expect(finished.length).toBeGreaterThan(0);
  });
});
