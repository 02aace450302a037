import type { ToolRun } from "../actors/tools.ts";
import type { Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

const once: ReadonlySet<string> = new Set(["charge", "launch", "deploy"]);
const approved: ReadonlySet<string> = new Set(["deploy"]);

/** Invariant 10: nothing runs unapproved, and nothing at-most-once runs twice. */
export class ToolChecker {
  readonly #mirror: Mirror;
  readonly #verdict: Verdict;
  readonly #runs = new Map<string, string>();

  constructor(mirror: Mirror, verdict: Verdict) {
    this.#mirror = mirror;
    this.#verdict = verdict;
  }

  onRun({ tool, key, process }: ToolRun): void {
    const before = this.#runs.get(key);
    this.#runs.set(key, process.name);
    if (!once.has(tool)) return;
    const row = this.#mirror.executions.get(key);
    this.#verdict.check(
      "tools",
      before === undefined,
      () => `${tool} (${key}) ran on ${before}, and again on ${process.name}`,
    );
    this.#verdict.check(
      "tools",
      row?.state === "started",
      () => `${tool} (${key}) ran on ${process.name}, and the ledger says ${row?.state}`,
    );
    if (!approved.has(tool)) return;
    this.#verdict.check(
      "tools",
      typeof row?.decided_by === "string",
      () => `${tool} (${key}) ran on ${process.name}, and nobody had approved it`,
    );
  }
}
