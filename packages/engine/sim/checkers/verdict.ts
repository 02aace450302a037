/** What a checker found wrong. */
export interface Violation {
  readonly checker: CheckerName;
  readonly atMs: number;
  readonly message: string;
}

/** The checkers, and the invariant of docs/spec.md that each of them guards. */
export const checkerNames = [
  "delivery",
  "convergence",
  "acknowledged",
  "one-writer",
  "queue",
  "history",
  "parts",
  "transitions",
  "versions",
  "liveness",
  "access",
  "tools",
  "leaks",
  "answers",
  "transactions",
  "files",
  "spending",
  "forms",
  "lists",
  "prompts",
  "once",
  "decisions",
] as const;

export type CheckerName = (typeof checkerNames)[number];

/** More than these of one checker tell nothing new. */
const violationsMax = 10;

/** Counts what was checked, and keeps what was wrong. */
export class Verdict {
  readonly violations: Violation[] = [];
  readonly checks = new Map<CheckerName, number>();
  readonly #nowMs: () => number;
  readonly #onViolation: (violation: Violation) => void;

  constructor(nowMs: () => number, onViolation: (violation: Violation) => void) {
    this.#nowMs = nowMs;
    this.#onViolation = onViolation;
  }

  check(checker: CheckerName, isTrue: boolean, message: () => string): void {
    this.checks.set(checker, (this.checks.get(checker) ?? 0) + 1);
    if (isTrue) return;
    const before = this.violations.filter((violation) => violation.checker === checker);
    if (before.length >= violationsMax) return;
    const violation = { checker, atMs: this.#nowMs(), message: message() };
    this.violations.push(violation);
    this.#onViolation(violation);
  }

  fail(checker: CheckerName, message: string): void {
    this.check(checker, false, () => message);
  }
}
