/**
 * What `npm test` runs: the static checks, then every test. Says which optional services were found, ends with
 * the line "N passed, N failed, N skipped", and exits with 0 only if nothing failed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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

/** Runs a program with our output; the programs of npm find this Node first. */
function run(command: string, args: string[]): number {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      PATH: `${join(node, "..")}:${join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
    },
  });
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

function runTests(counts: Counts): void {
  const folder = mkdtempSync(join(tmpdir(), "parley-test-report-"));
  const file = join(folder, "report.json");
  const status = run(node, [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${file}`,
    ...process.argv.slice(2),
  ]);
  const failedBefore = counts.failed;
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as VitestReport;
    counts.passed += report.numPassedTests;
    counts.failed += report.numFailedTests;
    counts.skipped += report.numPendingTests + report.numTodoTests;
    // A file that could not even be loaded has no tests to count.
    const broken = report.testResults.filter(
      ({ status: outcome, assertionResults }) =>
        outcome === "failed" && assertionResults.length === 0,
    );
    counts.failed += broken.length;
  } catch {
    console.error("the test runner left no report");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  // An unhandled error, or a run that was cut off, fails the run without failing a test.
  if (status !== 0 && counts.failed === failedBefore) counts.failed += 1;
}

const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
runChecks(counts);
checkServices(counts);
runTests(counts);
checkServices({ passed: 0, failed: 0, skipped: 0 });
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;
