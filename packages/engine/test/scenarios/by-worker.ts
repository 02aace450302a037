import { cancelRequiresAction } from "../../src/machine/transitions/cancel-requires-action.ts";
import { commitStep } from "../../src/machine/transitions/commit-step.ts";
import { enterRequiresAction } from "../../src/machine/transitions/enter-requires-action.ts";
import { finishError } from "../../src/machine/transitions/finish-error.ts";
import { finishInterruption } from "../../src/machine/transitions/finish-interruption.ts";
import { finishTurn } from "../../src/machine/transitions/finish-turn.ts";
import { promoteSteering } from "../../src/machine/transitions/promote-steering.ts";
import { recordGenerationAttempt } from "../../src/machine/transitions/record-generation-attempt.ts";
import { recordRetryState } from "../../src/machine/transitions/record-retry-state.ts";
import type { Bundle } from "../../src/machine/bundle.ts";
import type { NewMessage } from "../../src/domain/rows.ts";
import { reply, text } from "../chat-in-state.ts";
import type { World } from "../world.ts";
import type { Scenario, Scenarios } from "./scenario.ts";

const partial: NewMessage = {
  role: "assistant",
  parts: text("half a th"),
  finish_reason: "interrupted",
};

const shown: NewMessage = { ...partial, visibility: "user", finish_reason: "error" };

const error = { kind: "overloaded", message: "too much", retryable: true } as const;

const retry = { attempt: 1, delay_ms: 1000, kind: "overloaded", message: "too much" } as const;

const fails = (bundle: Bundle): Promise<unknown> =>
  finishError(bundle, { error, partial: [shown] });

const stops = (bundle: Bundle): Promise<unknown> =>
  finishInterruption(bundle, { partial: [partial] });

/** Past the ten minutes of a client's call, not past the day of an approval. */
const passTenMinutes = (world: World): Promise<void> => world.advance(600_001);
const passADay = (world: World): Promise<void> => world.advance(24 * 3_600_000 + 1);

const cancels = (bundle: Bundle): Promise<unknown> => cancelRequiresAction(bundle);

function bothQueues(of: (n: "0" | "1") => Scenario): Scenario[] {
  return [of("0"), of("1")];
}

export const byWorker: Scenarios = {
  promoteSteering: [
    {
      from: "R1",
      to: "R0",
      when: "all of the queue steers",
      with: { queue: ["steer", "steer"] },
      adds: ["user: queued 0", "user: queued 1"],
      queue: [],
      apply: (bundle) => promoteSteering(bundle),
    },
    {
      from: "R1",
      to: "R1",
      when: "others wait for their own turn",
      with: { queue: ["queue", "steer", "queue", "steer"] },
      adds: ["user: queued 1", "user: queued 3"],
      queue: ["queue: queued 0", "queue: queued 2"],
      apply: (bundle) => promoteSteering(bundle),
    },
  ],
  recordGenerationAttempt: bothQueues((n) => ({
    from: `R${n}`,
    to: `R${n}`,
    row: { generation_attempt: 2 },
    apply: (bundle) => recordGenerationAttempt(bundle),
  })),
  recordRetryState: bothQueues((n) => ({
    from: `R${n}`,
    to: `R${n}`,
    moves: ["retry"],
    apply: (bundle) => recordRetryState(bundle, retry),
  })),
  commitStep: bothQueues((n) => ({
    from: `R${n}`,
    to: `R${n}`,
    adds: ["assistant: the answer"],
    apply: (bundle) => commitStep(bundle, { messages: [reply("the answer")] }),
  })),
  enterRequiresAction: bothQueues((n) => ({
    from: `R${n}`,
    to: `A${n}`,
    with: { calls: ["server", "client"] },
    apply: (bundle) => enterRequiresAction(bundle),
  })),
  finishInterruption: [
    {
      from: "I0",
      to: "W",
      adds: ["assistant: half a th"],
      row: { hold: false },
      apply: stops,
    },
    {
      from: "I0",
      to: "W",
      when: "nothing had been said",
      apply: (bundle) => finishInterruption(bundle, { partial: [] }),
    },
    {
      from: "I0",
      variant: "hold",
      to: "W",
      with: { hold: true },
      adds: ["assistant: half a th"],
      row: { hold: false },
      apply: stops,
    },
    {
      from: "I1",
      to: "R0",
      when: "one was queued, to steer",
      with: { queue: ["steer"] },
      adds: ["assistant: half a th", "user: queued 0"],
      queue: [],
      starts: true,
      apply: stops,
    },
    {
      from: "I1",
      to: "R1",
      when: "more were queued",
      with: { queue: ["queue", "steer"] },
      adds: ["assistant: half a th", "user: queued 0"],
      queue: ["queue: queued 1"],
      starts: true,
      apply: stops,
    },
    {
      from: "I1",
      variant: "hold",
      to: "E1",
      with: { hold: true, queue: ["steer", "queue"] },
      adds: ["assistant: half a th"],
      queue: ["queue: queued 0", "queue: queued 1"],
      row: { hold: false },
      apply: stops,
    },
  ],
  finishTurn: [
    { from: "R0", to: "W", apply: (bundle) => finishTurn(bundle) },
    {
      from: "R0",
      to: "W",
      when: "a call was never run",
      with: { calls: ["server"] },
      adds: ["tool answers server!"],
      apply: (bundle) => finishTurn(bundle),
    },
    {
      from: "R1",
      to: "R0",
      adds: ["user: queued 0"],
      queue: [],
      starts: true,
      apply: (bundle) => finishTurn(bundle),
    },
    {
      from: "R1",
      to: "R1",
      with: { queue: ["queue", "queue"] },
      adds: ["user: queued 0"],
      queue: ["queue: queued 1"],
      starts: true,
      apply: (bundle) => finishTurn(bundle),
    },
  ],
  finishError: (["R", "I", "A"] as const).flatMap((kind) => {
    const closes = kind === "A" ? ["tool answers client!, approval!"] : [];
    const common = {
      adds: ["assistant (user): half a th", ...closes],
      row: { last_error: error, hold: false, requires_action_deadline_at: null },
      apply: fails,
    };
    return [
      { ...common, from: `${kind}0`, to: "E0", with: { hold: kind === "I" } } as const,
      {
        ...common,
        from: `${kind}1`,
        to: "E1",
        with: { queue: ["steer", "queue"] },
        queue: ["queue: queued 0", "queue: queued 1"],
      } as const,
    ];
  }),
  cancelRequiresAction: bothQueues((n) => ({
    from: `A${n}`,
    to: `A${n}`,
    when: "the approval may still be given",
    prepare: passTenMinutes,
    adds: ["tool answers client!"],
    apply: cancels,
  })).concat(
    bothQueues((n) => ({
      from: `A${n}`,
      to: `R${n}`,
      when: "all deadlines have passed",
      prepare: passADay,
      adds: ["tool answers client!, approval!"],
      row: { requires_action_deadline_at: null },
      apply: cancels,
    })),
  ),
};
