import type { State } from "../../src/domain/state.ts";
import type { Bundle } from "../../src/machine/bundle.ts";
import { deleteQueuedMessage } from "../../src/machine/transitions/delete-queued-message.ts";
import { editQueuedMessage } from "../../src/machine/transitions/edit-queued-message.ts";
import { promoteQueuedMessage } from "../../src/machine/transitions/promote-queued-message.ts";
import { reorderQueuedMessage } from "../../src/machine/transitions/reorder-queued-message.ts";
import { sendMessage, type SendMessage } from "../../src/machine/transitions/send-message.ts";
import { queueMessagesMax, said, text, type Fixture, type Options } from "../chat-in-state.ts";
import type { Scenario, Scenarios } from "./scenario.ts";

/** Sending, and what can be done to the queue. */

const two: Options = { queue: ["queue", "queue"] };
const zero = "queue: queued 0";
const one = "queue: queued 1";

const sends =
  (when_busy: SendMessage["when_busy"]) =>
  (bundle: Bundle): Promise<unknown> =>
    sendMessage(bundle, { message: said("new"), when_busy, queueMessagesMax });

const manners = ["reject", "steer", "queue", "interrupt"] as const;

function sending(variant: SendMessage["when_busy"]): Scenario[] {
  const apply = sends(variant);
  const idle: Scenario[] = (["W", "E0"] as const).map((from) => ({
    from,
    to: "R0",
    variant,
    adds: ["user: new"],
    starts: true,
    row: { last_error: null },
    apply,
  }));
  const closing: Scenario = {
    from: "E0",
    to: "R0",
    variant,
    when: "a call of the failed turn is open",
    with: { calls: ["server"] },
    adds: ["tool answers server!", "user: new"],
    starts: true,
    apply,
  };
  const paused: Scenario = {
    from: "E1",
    to: "R1",
    variant,
    with: two,
    adds: ["user: queued 0"],
    queue: [one, "queue: new"],
    starts: true,
    row: { last_error: null },
    apply,
  };
  return [...idle, closing, paused, ...(variant === "reject" ? [] : busy(variant))];
}

function busy(variant: "steer" | "queue" | "interrupt"): Scenario[] {
  const apply = sends(variant);
  const stops = variant === "interrupt";
  return (["R0", "R1", "I0", "I1", "A0", "A1"] as const).map((from): Scenario => {
    const waiting = from.endsWith("1") ? [zero] : [];
    const sent = `${variant}: new`;
    const to: State = stops ? "I1" : (`${from[0]}1` as State);
    return {
      from,
      to,
      variant,
      with: { hold: stops },
      queue: stops ? [sent, ...waiting] : [...waiting, sent],
      row: stops ? { hold: false, requires_action_deadline_at: null } : {},
      apply,
    };
  });
}

const queueStates = ["E1", "R1", "I1", "A1"] as const;
const emptied: Record<(typeof queueStates)[number], State> = {
  E1: "E0",
  R1: "R0",
  I1: "I0",
  A1: "A0",
};

const nth = (n: number, { queued }: Fixture): number => queued[n] ?? 0;

const deletes = (bundle: Bundle, fixture: Fixture): Promise<unknown> =>
  deleteQueuedMessage(bundle, { queued_id: nth(0, fixture) });

const promotes =
  (n: number) =>
  (bundle: Bundle, fixture: Fixture): Promise<unknown> =>
    promoteQueuedMessage(bundle, { queued_id: nth(n, fixture) });

export const byQueue: Scenarios = {
  sendMessage: manners.flatMap(sending),
  deleteQueuedMessage: queueStates.flatMap((from): Scenario[] => [
    { from, to: emptied[from], when: "it was the last", queue: [], apply: deletes },
    { from, to: from, when: "others wait", with: two, queue: [one], apply: deletes },
  ]),
  promoteQueuedMessage: [
    ...(["E1", "A1"] as const).flatMap((from): Scenario[] => {
      const closes = from === "A1" ? ["tool answers client!, approval!"] : [];
      const common = {
        from,
        starts: true,
        row: { last_error: null, requires_action_deadline_at: null },
      };
      return [
        {
          ...common,
          to: "R0",
          when: "it was the only one",
          adds: [...closes, "user: queued 0"],
          queue: [],
          apply: promotes(0),
        },
        {
          ...common,
          to: "R1",
          when: "from behind another",
          with: two,
          adds: [...closes, "user: queued 1"],
          queue: [zero],
          apply: promotes(1),
        },
      ];
    }),
    {
      from: "R1",
      to: "I1",
      with: two,
      queue: ["interrupt: queued 1", zero],
      apply: promotes(1),
    },
    {
      from: "I1",
      to: "I1",
      with: { ...two, hold: true },
      queue: ["interrupt: queued 1", zero],
      row: { hold: false },
      apply: promotes(1),
    },
  ],
  reorderQueuedMessage: queueStates.map((from) => ({
    from,
    to: from,
    with: two,
    queue: [one, zero],
    apply: (bundle, fixture) =>
      reorderQueuedMessage(bundle, { queued_id: nth(1, fixture), position: 0 }),
  })),
  editQueuedMessage: queueStates.flatMap((from): Scenario[] => [
    {
      from,
      to: from,
      when: "its text",
      with: two,
      queue: ["queue: better", one],
      apply: (bundle, fixture) =>
        editQueuedMessage(bundle, { queued_id: nth(0, fixture), parts: text("better") }),
    },
    {
      from,
      to: from,
      when: "its manner",
      with: two,
      queue: [zero, "steer: queued 1"],
      apply: (bundle, fixture) =>
        editQueuedMessage(bundle, { queued_id: nth(1, fixture), manner: "steer" }),
    },
  ]),
};
