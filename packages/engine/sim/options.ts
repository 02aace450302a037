import type { Action } from "./actors/user.ts";
import type { ModelWeights } from "./actors/models.ts";
import type { FaultKind } from "./faults/kinds.ts";
import type { Mutation } from "./mutations/mutation.ts";

/** What a run is made of. With the code, this decides everything that happens in it. */
export interface SimOptions {
  readonly seed: string;
  /** Virtual time with users and faults, before everything comes to rest. */
  readonly minutes: number;
  /** Left out: shrinking tries. */
  readonly withoutFaults: readonly FaultKind[];
  /** These and no others, in every run. */
  readonly onlyFaults?: readonly FaultKind[];
  readonly withoutActions: readonly Action[];
  /** Overrides what the seed would draw. */
  readonly replicas?: number;
  readonly users?: number;
  readonly models?: Partial<ModelWeights>;
  /** A bug put in on purpose: see `mutations/`. */
  readonly mutation?: Mutation;
  readonly onTrace?: (line: string) => void;
}

export const defaultOptions = {
  minutes: 2,
  withoutFaults: [],
  withoutActions: [],
} as const satisfies Partial<SimOptions>;
