import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { describeMachine } from "./rig/machine.ts";
import { coreTable } from "./rig/core.ts";
import { writeDocs } from "./rig/docs.ts";
import { Look } from "./rig/look.ts";
import { describe, tableOf, withMedians, type Report } from "./rig/report.ts";
import { targetsTable } from "./rig/targets.ts";
import type { BenchOptions, Result, Scenario } from "./rig/scenario.ts";
import { nowMs } from "./rig/time.ts";
import { bus } from "./scenarios/bus.ts";
import { capacity } from "./scenarios/capacity.ts";
import { fanOut } from "./scenarios/fan-out.ts";
import { firstPart } from "./scenarios/first-part.ts";
import { growth } from "./scenarios/growth.ts";
import { memory } from "./scenarios/memory.ts";
import { parts } from "./scenarios/parts.ts";
import { reconnect } from "./scenarios/reconnect.ts";
import { storm } from "./scenarios/storm.ts";
import { takeover } from "./scenarios/takeover.ts";
import { turns } from "./scenarios/turns.ts";

/** Parley, the least code that could do the same, and others, in one run: docs/performance.md. */

const scenarios: readonly Scenario[] = [
  parts,
  fanOut,
  firstPart,
  turns,
  storm,
  reconnect,
  takeover,
  bus,
  memory,
  growth,
  capacity,
];

const help = `npm run bench -- [scenario…] [--full] [--rounds N] [--seconds S] [--json FILE] [--profile FOLDER]

${scenarios.map(({ name, about, extra }) => `  ${name.padEnd(12)} ${about}${extra ? " (only when named)" : ""}`).join("\n")}

  --rounds     of each contender, taken in turns: 5, or what the scenario says
  --seconds    that each is measured in a round: 1.5
  --full       the sizes that outgrow two cores and twenty minutes
  --json       writes every round's figures there
  --write-docs writes the tables of such a file into docs/performance.md and README.md, and measures nothing
  --profile    writes processor profiles of the replicas there`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string", default: "1.5" },
    json: { type: "string" },
    "write-docs": { type: "string" },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function chosen(): Scenario[] {
  const unknown = positionals.filter((name) => !scenarios.some((each) => each.name === name));
  if (unknown.length > 0) throw new Error(`no such scenario: ${unknown.join(", ")}\n\n${help}`);
  return scenarios.filter(({ name, extra }) =>
    positionals.length === 0 ? extra !== true : positionals.includes(name),
  );
}

/** For one table, so that all of them fit into twenty minutes. */
const scenarioMsMax = 200_000;

function withRounds(options: BenchOptions, { rounds }: Scenario): BenchOptions {
  if (values.rounds !== undefined || rounds === undefined) return options;
  return { ...options, rounds };
}

async function main(): Promise<void> {
  if (values.help) return say(help);
  if (values["write-docs"] !== undefined) return await writeDocs(values["write-docs"]);
  const startedAt = nowMs();
  const machine = describeMachine();
  const taken_at = new Date().toISOString();
  const { processor, cores, memoryGiB, system, node } = machine;
  say(`${cores} × ${processor}, ${memoryGiB} GiB, ${system}, Node ${node}\n`);
  const options: BenchOptions = {
    rounds: Number(values.rounds ?? 5),
    scenarioMsMax,
    roundMs: Number(values.seconds) * 1000,
    full: values.full,
    profile: values.profile ?? null,
    say: (line) => void process.stderr.write(`${line}\n`),
  };
  const results: Result[] = [];
  const failures: string[] = [];
  const report = (): Report => {
    return { machine, taken_at, minutes: (nowMs() - startedAt) / 60_000, results, failures };
  };
  /* oxlint-disable no-await-in-loop */
  for (const scenario of chosen()) {
    options.say(`${scenario.name}: ${scenario.about}`);
    try {
      for (const result of await scenario.run(withRounds(options, scenario))) {
        results.push(result);
        say(tableOf(result));
      }
    } catch (error) {
      failures.push(`${scenario.name}: ${(error as Error).message}`);
      say(`### ${scenario.name}\n\nFailed: ${(error as Error).message}\n`);
    }
    // What was measured is kept, whatever becomes of the rest.
    if (values.json !== undefined) {
      await writeFile(values.json, JSON.stringify(withMedians(report()), null, 1));
    }
  }
  /* oxlint-enable no-await-in-loop */
  const look = new Look(results);
  const [core, targets] = [coreTable(look), targetsTable(look)];
  if (core !== "") say(`### In short\n\n${describe(report())}\n\n${core}\n`);
  if (targets !== "") say(`### Targets\n\n${targets}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

await main();
// Whatever a contender may have left open.
process.exit();
