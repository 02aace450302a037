import { parseArgs } from "node:util";
import { actionWeights, type Action } from "./actors/user.ts";
import { runCampaign, type FinishedRun, type RunOrder } from "./campaign.ts";
import { Backend } from "./database/backend.ts";
import { faultKinds, type FaultKind } from "./faults/kinds.ts";
import { hunt } from "./mutations/hunt.ts";
import { mutationOf } from "./mutations/mutations.ts";
import { pinSeed } from "./mutations/pinned.ts";
import { defaultOptions } from "./options.ts";
import { commandOf, failureLines, Totals } from "./report.ts";
import { simulate } from "./run.ts";
import { commitHash, commitUnderTest, failedSeeds } from "./seeds.ts";
import { shrink } from "./shrink.ts";

const help = `The simulator: a whole cluster in one process, under a virtual clock (docs/simulation.md).

  npm run sim                          20 new seeds, and all that ever failed
  npm run sim -- --seeds 200           so many new seeds of this commit
  npm run sim -- --soak 60             new seeds for 60 minutes of real time
  npm run sim -- --seed S [--trace]    one seed again, exactly; its whole trace
  npm run sim -- --seed S --shrink     makes the failure smaller
  npm run sim -- --mutations           every bug that is put in on purpose, until its checker has found it
  npm run sim -- --mutations --pin     the same, and notes the seeds, which the tests try first

  --minutes M          virtual minutes with users and faults (${defaultOptions.minutes})
  --jobs N             processes at once (2)
  --base B             what new seeds are named after (the commit)
  --without-faults a,b  --only-faults a,b|none   of: ${faultKinds.join(", ")}
  --without-actions a,b                          of: ${Object.keys(actionWeights).join(", ")}
  --replicas N  --users N                        instead of what the seed draws
  --mutation NAME                                a bug put in on purpose`;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    soak: { type: "string" },
    base: { type: "string" },
    minutes: { type: "string", default: String(defaultOptions.minutes) },
    jobs: { type: "string", default: "2" },
    trace: { type: "boolean", default: false },
    shrink: { type: "boolean", default: false },
    mutations: { type: "boolean", default: false },
    mutation: { type: "string" },
    pin: { type: "boolean", default: false },
    "without-faults": { type: "string" },
    "only-faults": { type: "string" },
    "without-actions": { type: "string" },
    replicas: { type: "string" },
    users: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function listOf<T extends string>(text: string | undefined, known: readonly T[]): T[] {
  const given = (text ?? "").split(",").filter((item) => item !== "" && item !== "none");
  for (const item of given) {
    if (!(known as readonly string[]).includes(item))
      throw new RangeError(`"${item}" is none of ${known.join(", ")}`);
  }
  return given as T[];
}

function orderOf(seed: string): RunOrder {
  const only = values["only-faults"];
  return {
    seed,
    minutes: Number(values.minutes),
    withoutFaults: listOf<FaultKind>(values["without-faults"], faultKinds),
    withoutActions: listOf<Action>(
      values["without-actions"],
      Object.keys(actionWeights) as Action[],
    ),
    ...(only === undefined ? {} : { onlyFaults: listOf<FaultKind>(only, faultKinds) }),
    ...(values.replicas === undefined ? {} : { replicas: Number(values.replicas) }),
    ...(values.users === undefined ? {} : { users: Number(values.users) }),
    ...(values.mutation === undefined ? {} : { mutation: values.mutation }),
  };
}

async function runOne(backend: Backend, order: RunOrder, trace: boolean): Promise<FinishedRun> {
  const { mutation, ...options } = order;
  const before = process.cpuUsage();
  const result = await simulate(backend, {
    ...options,
    ...(mutation === undefined ? {} : { mutation: mutationOf(mutation) }),
    ...(trace ? { onTrace: say } : {}),
  });
  const { user, system } = process.cpuUsage(before);
  return { order, result, cpuMs: (user + system) / 1_000 };
}

async function single(seed: string): Promise<boolean> {
  const backend = await Backend.start();
  const startedMs = performance.now();
  const finished = await runOne(backend, orderOf(seed), values.trace);
  const totals = new Totals();
  totals.add(finished);
  say(`seed ${seed}, commit ${commitHash() ?? "unknown"}, digest ${finished.result.digest}`);
  for (const line of totals.lines(performance.now() - startedMs)) say(line);
  const failed = finished.result.violations.length > 0;
  if (!failed) return true;
  for (const line of failureLines(finished)) say(line);
  if (!values.shrink) return false;
  const smallest = await shrink({
    failing: finished,
    run: async (order) => await runOne(backend, order, false),
    onSmaller: (order) => say(`smaller: ${commandOf(order)}`),
  });
  for (const line of failureLines(smallest, 400)) say(line);
  return false;
}

async function many(): Promise<boolean> {
  const soakMs = values.soak === undefined ? null : Number(values.soak) * 60_000;
  const startedMs = performance.now();
  const count =
    values.seeds === undefined ? (soakMs === null ? 20 : Infinity) : Number(values.seeds);
  const again = failedSeeds().map(({ seed, minutes }) => ({ ...orderOf(seed), minutes }));
  const base = values.base ?? commitUnderTest() ?? "no-commit";
  let made = 0;
  const next = (): RunOrder | null => {
    const known = again.shift();
    if (known) return known;
    if (made >= count || (soakMs !== null && performance.now() - startedMs > soakMs)) return null;
    made += 1;
    return orderOf(`${base}-${made}`);
  };
  const totals = new Totals();
  await runCampaign({
    next,
    jobs: Number(values.jobs),
    onFinished: (finished) => {
      totals.add(finished);
      const { result, cpuMs } = finished;
      const verdict = result.violations.length === 0 ? "ok    " : "FAILED";
      say(
        `${verdict} ${result.seed} ${(result.virtualMs / 1000).toFixed(0)} s in ${(cpuMs / 1000).toFixed(1)} s`,
      );
      if (result.violations.length > 0) for (const line of failureLines(finished)) say(line);
    },
  });
  for (const line of totals.lines(performance.now() - startedMs)) say(line);
  return totals.failed === 0;
}

async function everyMutation(): Promise<boolean> {
  const blind = await hunt({
    jobs: Number(values.jobs),
    minutes: Number(values.minutes),
    ...(values.mutation === undefined ? {} : { names: [values.mutation] }),
    onFound: ({ name, seed, violation: { checker, message } }) => {
      if (values.pin) pinSeed(name, seed);
      say(`found "${name}" with ${seed}: ${checker}: ${message.slice(0, 200)}`);
    },
  });
  for (const name of blind) say(`${mutationOf(name).checker} is blind to "${name}"`);
  return blind.length === 0;
}

if (values.help) say(help);
else {
  const work = values.mutations
    ? everyMutation()
    : values.seed === undefined
      ? many()
      : single(values.seed);
  process.exitCode = (await work) ? 0 : 1;
  // The database inside this process has no end of its own.
  process.exit();
}
