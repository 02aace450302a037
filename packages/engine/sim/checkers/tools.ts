import type { ToolRun } from "../actors/tools.ts";
import type { CommitImage, ExecutionImage, Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

const once: ReadonlySet<string> = new Set(["charge", "launch", "deploy"]);
const approved: ReadonlySet<string> = new Set(["deploy"]);

/** Invariant 10: nothing runs unapproved, and nothing at-most-once runs twice. */
export class ToolChecker {
  readonly #mirror: Mirror;
  readonly #verdict: Verdict;
  readonly #runs = new Map<string, string>();
  /** Rows of the ledger that went with their chats, as they were. */
  readonly #deleted = new Map<string, ExecutionImage>();

  constructor(mirror: Mirror, verdict: Verdict) {
    this.#mirror = mirror;
    this.#verdict = verdict;
  }

  /** Whoever has started a call may hear of it, and run it, after its chat was deleted. */
  onCommit(commit: CommitImage): void {
    for (const [key, { was, now }] of commit.executions) {
      if (was !== null && now === null) this.#deleted.set(key, was);
    }
  }

  onRun({ tool, key, process }: ToolRun): void {
    const before = this.#runs.get(key);
    this.#runs.set(key, process.name);
    if (!once.has(tool)) return;
    const row = this.#mirror.executions.get(key) ?? this.#deleted.get(key);
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
