import { runCampaign, type RunOrder } from "../campaign.ts";
import type { Violation } from "../checkers/verdict.ts";
import { isFoundBy } from "./mutation.ts";
import { mutationOf, mutations } from "./mutations.ts";
import { pinnedSeeds } from "./pinned.ts";

/** Seeds that a mutation has before its checker counts as blind. */
const seedsMax = 12;

export interface Found {
  readonly name: string;
  readonly seed: string;
  readonly violation: Violation;
}

export interface HuntOptions {
  /** Names of mutations. Absent: all. */
  readonly names?: readonly string[];
  readonly jobs: number;
  readonly minutes: number;
  readonly onFound?: (found: Found) => void;
}

/** Puts in one bug after the other, and runs seeds until its checker reports it. @returns the names of those that were not found */
export async function hunt(options: HuntOptions): Promise<string[]> {
  const names = options.names ?? mutations.map(({ name }) => name);
  const left = new Set(names);
  const pinned = pinnedSeeds();
  const orderOf = (mutation: string, seed: string): RunOrder => {
    const { minutes } = options;
    return { seed, minutes, withoutFaults: [], withoutActions: [], mutation };
  };
  const orders = [
    ...names.flatMap((name) => (pinned[name] === undefined ? [] : [orderOf(name, pinned[name])])),
    ...Array.from({ length: seedsMax }, (_, i) => `hunt-${i + 1}`).flatMap((seed) =>
      names.map((name) => orderOf(name, seed)),
    ),
  ];
  await runCampaign({
    jobs: options.jobs,
    next: () =>
      orders.splice(0, orders.findIndex((order) => left.has(order.mutation ?? "")) + 1).at(-1) ??
      null,
    onFinished: ({ order, result }) => {
      const mutation = mutationOf(order.mutation ?? "");
      const { name } = mutation;
      const violation = result.violations.find((found) => isFoundBy(mutation, found));
      if (violation === undefined || !left.delete(name)) return;
      options.onFound?.({ name, seed: order.seed, violation });
    },
  });
  return [...left];
}
