import type { JsonObject } from "@parley/protocol";
import { backoffMs } from "../../lib/backoff.ts";
import { SchemasUnavailable, TooManyChecks } from "../../schemas/checker.ts";
import type { Verdict } from "../../schemas/job.ts";
import { throwIfCancelled, type TaskContext } from "../tasks/context.ts";

/** A thread that did not come up has taken 20 seconds already; who waits behind others has waited, too. */
const checksMax = 4;
const backoff = { baseMs: 200, maxMs: 2_000 };

type CheckContext = Pick<TaskContext, "schemas" | "clock" | "random" | "signal">;

/**
 * Checks a reply that has been paid for: while nobody can check, it is tried again. That nobody could in the end is a
 * verdict too, since the turn must end.
 *
 * @throws Cancelled
 */
export async function checkPatiently(
  { schemas, clock, random, signal }: CheckContext,
  schema: JsonObject,
  value: string | null,
): Promise<Verdict> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await schemas.check(schema, value);
    } catch (error) {
      throwIfCancelled(signal);
      if (!(error instanceof SchemasUnavailable || error instanceof TooManyChecks)) throw error;
      if (attempt >= checksMax) return { kind: "unusable", reason: error.message };
      await clock.sleep(backoffMs(attempt, backoff, random), "runner.schema_check", signal);
      throwIfCancelled(signal);
    }
  }
}
