import { randomUUID } from "node:crypto";
import type { State } from "../../src/domain/state.ts";
import type { Bundle } from "../../src/machine/bundle.ts";
import { clearContext } from "../../src/machine/transitions/clear-context.ts";
import { completeRequiresAction } from "../../src/machine/transitions/complete-requires-action.ts";
import { createChat } from "../../src/machine/transitions/create-chat.ts";
import { decideApproval } from "../../src/machine/transitions/decide-approval.ts";
import { deleteChat } from "../../src/machine/transitions/delete-chat.ts";
import { editMessage } from "../../src/machine/transitions/edit-message.ts";
import { forkChat } from "../../src/machine/transitions/fork-chat.ts";
import { interrupt } from "../../src/machine/transitions/interrupt.ts";
import { reconcileInvalidState } from "../../src/machine/transitions/reconcile-invalid-state.ts";
import { requestCompaction } from "../../src/machine/transitions/request-compaction.ts";
import { retryTurn } from "../../src/machine/transitions/retry-turn.ts";
import { setArchived } from "../../src/machine/transitions/set-archived.ts";
import { text, type Fixture } from "../chat-in-state.ts";
import type { Scenario, Scenarios } from "./scenario.ts";

function edited(
  from: State,
  to: State,
  keep_queue: boolean,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    from,
    to,
    ...(keep_queue ? { variant: "keep_queue" } : {}),
    cuts: cutsOf(from),
    adds: ["user: edited"],
    ...(from.endsWith("1") && !keep_queue ? { queue: [] } : {}),
    starts: true,
    row: { hold: false, requires_action_deadline_at: null },
    apply: (bundle, { turn }) =>
      editMessage(bundle, {
        message_id: turn,
        parts: text("edited"),
        client_id: null,
        created_by: null,
        keep_queue,
      }),
    ...more,
  };
}

/** The message of the turn, and what the fixture has after it. */
function cutsOf(from: State): number {
  return from === "W" || from.startsWith("A") ? 2 : 1;
}

const editable = ["W", "E0", "E1", "R0", "R1", "I0", "I1", "A0", "A1"] as const;

const results =
  (kinds: readonly string[], is_error = false) =>
  (bundle: Bundle, { calls }: Fixture): Promise<unknown> =>
    completeRequiresAction(bundle, {
      results: calls
        .filter((id) => kinds.some((kind) => id.startsWith(kind)))
        .map((tool_call_id) => ({ tool_call_id, output: { got: 1 }, is_error })),
      submitted_by: null,
    });

const decisions =
  (decision: "approve" | "deny") =>
  (bundle: Bundle, { calls }: Fixture): Promise<unknown> =>
    decideApproval(bundle, {
      decisions: calls
        .filter((id) => id.startsWith("approval"))
        .map((tool_call_id) => ({ tool_call_id, decision })),
      decided_by: randomUUID(),
    });

function interruption(
  from: State,
  to: State,
  hold: boolean,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    from,
    to,
    ...(hold ? { variant: "hold" } : {}),
    row: { hold, requires_action_deadline_at: null },
    apply: (bundle) => interrupt(bundle, { hold }),
    ...more,
  };
}

/** The same row with and without a queue. */
function bothQueues(of: (n: "0" | "1") => Scenario): Scenario[] {
  return [of("0"), of("1")];
}

export const byApi: Scenarios = {
  createChat: [
    {
      from: "N",
      to: "R0",
      adds: ["user: hello"],
      starts: true,
      apply: (bundle) => createChat(bundle, { messages: [{ role: "user", parts: text("hello") }] }),
    },
  ],
  setArchived: (
    [
      ["W", "XW", true],
      ["E0", "XE0", true],
      ["E1", "XE1", true],
      ["XW", "W", false],
      ["XE0", "E0", false],
      ["XE1", "E1", false],
    ] as const
  ).map(([from, to, archived]) => ({
    from,
    to,
    variant: `archived=${archived}`,
    row: { archived },
    apply: (bundle) => setArchived(bundle, { archived }),
  })),
  editMessage: editable.flatMap((from) => [
    edited(from, "R0", false),
    edited(from, from.endsWith("1") ? "R1" : "R0", true),
  ]),
  interrupt: [
    ...bothQueues((n) => interruption(`R${n}`, `I${n}`, false)),
    ...bothQueues((n) => interruption(`A${n}`, `I${n}`, false)),
    ...bothQueues((n) => interruption(`R${n}`, `I${n}`, true)),
    ...bothQueues((n) => interruption(`A${n}`, `I${n}`, true)),
    ...bothQueues((n) => interruption(`I${n}`, `I${n}`, true)),
  ],
  completeRequiresAction: bothQueues((n) => ({
    from: `A${n}`,
    to: `A${n}`,
    when: "an approval is still undecided",
    adds: ["tool answers client"],
    apply: results(["client"]),
  })).concat(
    bothQueues((n) => ({
      from: `A${n}`,
      to: `R${n}`,
      when: "nothing is left pending",
      with: { calls: ["client", "client"] },
      adds: ["tool answers client!, client!"],
      row: { requires_action_deadline_at: null },
      apply: results(["client"], true),
    })),
  ),
  decideApproval: bothQueues((n) => ({
    from: `A${n}`,
    to: `A${n}`,
    when: "a client's call is still pending",
    moves: ["history"],
    apply: decisions("approve"),
  })).concat(
    bothQueues((n) => ({
      from: `A${n}`,
      to: `R${n}`,
      when: "it was all that was pending",
      with: { calls: ["approval"] },
      moves: ["history"],
      row: { requires_action_deadline_at: null },
      apply: decisions("approve"),
    })),
    bothQueues((n) => ({
      from: `A${n}`,
      to: `R${n}`,
      when: "it is denied",
      with: { calls: ["approval"] },
      adds: ["tool answers approval!"],
      apply: decisions("deny"),
    })),
  ),
  retryTurn: bothQueues((n) => ({
    from: `E${n}`,
    to: `R${n}`,
    moves: ["history"],
    row: { last_error: null },
    apply: (bundle) => retryTurn(bundle),
  })).concat({
    from: "E0",
    to: "R0",
    when: "calls are still to be run",
    with: { calls: ["server"] },
    moves: ["history"],
    apply: (bundle) => retryTurn(bundle),
  }),
  deleteChat: [...editable, "XW" as const, "XE0" as const, "XE1" as const, "Invalid" as const].map(
    (from) => ({ from, to: "N", apply: (bundle: Bundle) => deleteChat(bundle) }),
  ),
  forkChat: [
    {
      from: "N",
      to: "W",
      adds: ["user: first", "assistant: an answer", "user: second", "assistant: the answer"],
      apply: async (bundle, source) => await forkChat(bundle, { source_chat_id: source.id }),
    },
  ],
  requestCompaction: [
    {
      from: "W",
      to: "R0",
      moves: ["history"],
      row: { compact_only: true, worker_id: null, runner_id: null },
      apply: (bundle) => requestCompaction(bundle),
    },
    ...bothQueues((n) => ({
      from: `E${n}`,
      to: `R${n}`,
      moves: ["history"],
      row: { compact_only: false, last_error: null, worker_id: null },
      apply: (bundle) => requestCompaction(bundle),
    })),
  ],
  clearContext: (["W", "E0"] as const).map((from) => ({
    from,
    to: "W",
    adds: [
      "system (user): Earlier context was cleared.",
      "system (model): Earlier context was cleared.",
    ],
    row: { last_error: null, compaction_requested_at: null },
    apply: (bundle) => clearContext(bundle),
  })),
  reconcileInvalidState: [
    {
      from: "Invalid",
      to: "E0",
      when: "archived while running",
      row: { archived: false, worker_id: null, runner_id: null },
      apply: (bundle) => reconcileInvalidState(bundle),
    },
    {
      from: "Invalid",
      to: "E1",
      when: "with a queue and open calls",
      with: { queue: ["steer", "queue"], calls: ["client", "server"] },
      adds: ["tool answers client!, server!"],
      queue: ["queue: queued 0", "queue: queued 1"],
      row: { archived: false, worker_id: null, runner_id: null },
      apply: (bundle) => reconcileInvalidState(bundle),
    },
  ],
};
