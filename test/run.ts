/**
 * What `npm test` runs: the static checks, then every test. Says which optional services were found, ends with
 * the line "N passed, N failed, N skipped", and exits with 0 only if nothing failed. The simulator, which waits for
 * nothing, has what the others leave of the processors.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { constants, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { services } from "./services.ts";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

const root = join(import.meta.dirname, "..");
const node = process.execPath;
const bin = (name: string): string => join(root, "node_modules", ".bin", name);
const ci = process.env["CI"] === "true";

const checks: [name: string, command: string, args: string[]][] = [
  ["typecheck", bin("tsc"), ["--noEmit", "-p", "tsconfig.json"]],
  ["typecheck web", bin("tsc"), ["--noEmit", "-p", "packages/web/tsconfig.json"]],
  ["typecheck web tests", bin("tsc"), ["--noEmit", "-p", "packages/web/test/tsconfig.json"]],
  ["typecheck example", bin("tsc"), ["--noEmit", "-p", "examples/react-chat/tsconfig.json"]],
  ["lint", bin("oxlint"), ["--type-aware"]],
  ["format", bin("oxfmt"), ["--check", "."]],
  ["knip", bin("knip"), []],
];

/** The programs of npm find this Node first. */
const env = {
  ...process.env,
  PATH: `${join(node, "..")}:${join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
};

/** Runs a program with our output. */
function run(command: string, args: string[]): number {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", env });
  if (error) console.error(error.message);
  return status ?? 1;
}

function runChecks(counts: Counts): void {
  for (const [name, command, args] of checks) {
    const ok = run(command, args) === 0;
    console.log(`${ok ? "ok    " : "FAILED"} ${name}`);
    counts[ok ? "passed" : "failed"] += 1;
  }
}

/** A service that tests need and that is not there: named, and under CI a failure. */
function checkServices(counts: Counts): void {
  for (const { name, found, hint, files } of services()) {
    if (found !== undefined) {
      console.log(`found   ${name}: ${found}`);
    } else if (files === 0) {
      console.log(`missing ${name} (no test needs it)`);
    } else {
      console.log(`missing ${name}: ${files} test files do NOT run on it. ${hint}`);
      counts[ci ? "failed" : "skipped"] += files;
    }
  }
}

function vitestArgs(reportFile: string, project: string): string[] {
  return [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    `--project=${project}`,
    // What is asked for may be of one kind only.
    "--passWithNoTests",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2),
  ];
}

/** @returns how many tests the report tells of */
function countReport(file: string, status: number, counts: Counts): number {
  const failedBefore = counts.failed;
  let found = 0;
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as VitestReport;
    const skipped = report.numPendingTests + report.numTodoTests;
    counts.passed += report.numPassedTests;
    counts.failed += report.numFailedTests;
    counts.skipped += skipped;
    // A file that could not even be loaded has no tests to count.
    const broken = report.testResults.filter(
      ({ status: outcome, assertionResults }) =>
        outcome === "failed" && assertionResults.length === 0,
    );
    counts.failed += broken.length;
    found = report.numPassedTests + report.numFailedTests + skipped + broken.length;
  } catch {
    console.error("the test runner left no report");
    counts.failed += 1;
  }
  // An unhandled error, or a run that was cut off, fails the run without failing a test.
  if (status !== 0 && counts.failed === failedBefore) counts.failed += 1;
  return found;
}

/** Starts the simulator's tests beside the others. @returns what waits for them, prints what they said, and counts them */
function startSimulator(folder: string): (counts: Counts) => Promise<number> {
  const report = join(folder, "sim.json");
  const said = join(folder, "sim.txt");
  const output = openSync(said, "w");
  const child = spawn(node, vitestArgs(report, "sim"), {
    cwd: root,
    stdio: ["ignore", output, output],
    env,
  });
  closeSync(output);
  const ended = once(child, "exit");
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  process.once("exit", () => child.kill());
  return async (counts) => {
    const [status] = (await ended) as [number | null];
    console.log(readFileSync(said, "utf8"));
    return countReport(report, status ?? 1, counts);
  };
}

async function runTests(counts: Counts): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "parley-test-report-"));
  try {
    const simulator = startSimulator(folder);
    const report = join(folder, "report.json");
    const status = run(node, vitestArgs(report, "!sim"));
    const found = countReport(report, status, counts) + (await simulator(counts));
    if (found === 0) {
      console.error("no test is there of what was asked for");
      counts.failed += 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
runChecks(counts);
checkServices(counts);
await runTests(counts);
checkServices({ passed: 0, failed: 0, skipped: 0 });
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;
