import type { CommitImage, ExecutionImage } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** What the ledger never goes back from. */
const over: ReadonlySet<ExecutionImage["state"]> = new Set(["denied", "finished", "unknown"]);

/** The first decision and the first result of a call are its only ones. */
export function checkDecisions(commit: CommitImage, verdict: Verdict): void {
  for (const [id, { was, now }] of commit.executions) {
    if (was === null || now === null) continue;
    const check = (isTrue: boolean, what: string): void =>
      verdict.check("decisions", isTrue, () => `${now.tool_name} (${id}): ${what}`);
    check(
      was.decided_by === null || was.decided_by === now.decided_by,
      `was decided by ${was.decided_by}, and then by ${now.decided_by}`,
    );
    check(was.result === null || was.result === now.result, "its result was changed");
    check(!over.has(was.state) || was.state === now.state, `was ${was.state}, and is ${now.state}`);
    const isUndone = was.decided_by !== null && now.state === "intent";
    check(!isUndone, `was ${was.state}, and is asked for again`);
    const isFlipped = was.state === "approved" && now.state === "denied";
    check(!isFlipped, "was approved, and is denied");
  }
}
