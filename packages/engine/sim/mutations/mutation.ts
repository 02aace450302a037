import type { Mirror } from "../checkers/mirror.ts";
import type { CheckerName, Violation } from "../checkers/verdict.ts";
import type { Cluster } from "../cluster.ts";
import type { Backend } from "../database/backend.ts";
import type { SimOptions } from "../options.ts";
import type { Rng } from "../rng.ts";
import type { Scheduler } from "../scheduler.ts";

/** Where a bug can be put in without a word of it in the engine's code. */
export interface MutationSite {
  readonly backend: Backend;
  readonly cluster: Cluster;
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly mirror: Mirror;
}

/** A bug that a checker must find: otherwise the checker is worth nothing. */
export interface Mutation {
  readonly name: string;
  readonly checker: CheckerName;
  /** Which of its checks: what that says. Absent: any. */
  readonly says?: RegExp;
  /** The invariant of docs/spec.md that it breaks. */
  readonly breaks: string;
  readonly install?: (site: MutationSite) => void;
  /** Changes the schema before the run; what it gives undoes that. */
  readonly alter?: { readonly apply: string; readonly undo: string };
  /** What makes it show soon. */
  readonly options?: Partial<
    Pick<SimOptions, "minutes" | "withoutFaults" | "onlyFaults" | "replicas" | "models">
  >;
}

/** Whether this is what the mutation must be found by. */
export function isFoundBy({ checker, says }: Mutation, violation: Violation): boolean {
  return violation.checker === checker && (says?.test(violation.message) ?? true);
}
