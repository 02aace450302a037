import { stateOf, type State } from "../../src/domain/state.ts";
import { transitions, type Row, type Transition } from "../../src/domain/transitions.ts";
import type { CommitImage } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** Bundles of the worker hold several transitions in a row: the last step, the end of its turn, the next attempt. */
const workerStepsMax = 4;

const all: readonly Transition[] = Object.values(transitions);

function landingsOf(from: State, by: (transition: Transition) => boolean): State[] {
  return all
    .filter(by)
    .flatMap(({ rows }): readonly Row[] => rows)
    .filter((row) => row.from === from)
    .flatMap(({ to }) => to);
}

const reachable = new Map<State, ReadonlySet<State>>();

/** Where one bundle may come from here: one transition of the API, or some of the worker's. */
function reachableFrom(from: State): ReadonlySet<State> {
  const known = reachable.get(from);
  if (known) return known;
  const found = new Set<State>([from, ...landingsOf(from, () => true)]);
  let frontier: State[] = [from];
  for (let step = 0; step < workerStepsMax; step++) {
    frontier = frontier.flatMap((state) => landingsOf(state, ({ by }) => by === "worker"));
    for (const state of frontier) found.add(state);
  }
  reachable.set(from, found);
  return found;
}

/** Invariant 6: every transition is in the table. */
export function checkTransitions(commit: CommitImage, verdict: Verdict): void {
  for (const [id, { was, now }] of commit.chats) {
    const from = stateOf(was);
    const to = stateOf(now);
    verdict.check(
      "transitions",
      to !== "Invalid" && reachableFrom(from).has(to),
      () => `chat ${id} went from ${from} to ${to} by ${commit.committed.statements.join(", ")}`,
    );
  }
}
