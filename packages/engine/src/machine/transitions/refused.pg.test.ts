import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chatIn, newChat, said, text, type Fixture } from "../../../test/chat-in-state.ts";
import { byApi } from "../../../test/scenarios/by-api.ts";
import { byQueue } from "../../../test/scenarios/by-queue.ts";
import { byWorker } from "../../../test/scenarios/by-worker.ts";
import { all, queueActions } from "../../../test/scenarios/all-transitions.ts";
import { dump } from "../../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../../test/world.ts";
import { states, type State } from "../../domain/state.ts";
import { landings, transitions, type Row, type TransitionName } from "../../domain/transitions.ts";
import { defined } from "../../lib/assert.ts";
import { ParleyError } from "../../lib/errors.ts";
import type { Bundle } from "../bundle.ts";

/** Every (state, transition, variant) that the table does not list: the right error, and not a byte written. */
const scenarios = { ...byApi, ...byQueue, ...byWorker };
const names = Object.keys(transitions) as TransitionName[];

let world: World;
const fixtures = new Map<State, Fixture>();

beforeAll(async () => {
  world = await createWorld();
  for (const state of states) {
    // oxlint-disable-next-line no-await-in-loop
    if (state !== "N") fixtures.set(state, await chatIn(world, state));
  }
});
afterAll(async () => await world.drop());

interface Refusal {
  readonly name: TransitionName;
  readonly from: State;
  readonly variant: string | undefined;
}

function variantsOf(name: TransitionName): (string | undefined)[] {
  const rows: readonly Row[] = transitions[name].rows;
  return [...new Set(rows.map((row) => row.variant))];
}

const refusals: Refusal[] = names.flatMap((name) =>
  variantsOf(name).flatMap((variant) =>
    states
      .filter((from) => landings(name, from, variant) === null)
      .map((from) => ({ name, from, variant })),
  ),
);

const ofQueue: readonly TransitionName[] = [
  "deleteQueuedMessage",
  "promoteQueuedMessage",
  "reorderQueuedMessage",
  "editQueuedMessage",
];

function expectedCode({ name, from, variant }: Refusal): string {
  if (from === "N") return "chat_not_found";
  if (from === "Invalid") return "invalid_state";
  if (from.startsWith("X")) return "transition_rejected";
  if (name === "sendMessage" && variant === "reject") return "chat_busy";
  if (ofQueue.includes(name)) return "queued_message_not_found";
  return "transition_rejected";
}

/** Rejects with the code, writes nothing, publishes nothing. */
async function refuses(code: string, run: () => Promise<unknown>): Promise<ParleyError> {
  world.published();
  const before = await dump(world);
  const error: unknown = await run().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ParleyError);
  expect((error as ParleyError).code).toBe(code);
  expect(await dump(world)).toEqual(before);
  expect(world.published()).toEqual([]);
  expect(world.perhaps()).toEqual([]);
  return error as ParleyError;
}

test("the cross product is complete", () => {
  const listed = names.reduce((sum, name) => sum + transitions[name].rows.length, 0);
  const pairs = names.reduce((sum, name) => sum + variantsOf(name).length * states.length, 0);
  expect(refusals.length + listed).toBe(pairs);
});

describe.each(names)("%s", (name) => {
  test.each(refusals.filter((refusal) => refusal.name === name))(
    "is refused from $from $variant",
    async (refusal) => {
      const { from, variant } = refusal;
      const cases = defined(scenarios[name], "scenarios");
      const { apply } = defined(
        cases.find((c) => c.variant === variant && (variant !== "hold" || name === "interrupt")) ??
          cases[0],
        "a scenario to apply",
      );
      // What does not exist is asked for with what would be right elsewhere.
      const fixture = fixtures.get(from) ?? defined(fixtures.get("A1"), "a fixture");
      const id = from === "N" ? randomUUID() : fixture.id;
      const run = (): Promise<unknown> =>
        world.machine.update(id, (bundle) => apply(bundle, fixture, world));
      const error = await refuses(expectedCode(refusal), run);
      if (error.code === "transition_rejected") {
        expect(error.details).toMatchObject({ transition: name, state: from });
      }
      // Nor may it be the first thing that happens to a new chat.
      if (from !== "N") return;
      await refuses("chat_not_found", () =>
        world.machine.create(newChat(world), (bundle) => apply(bundle, fixture, world)),
      );
    },
  );
});

describe("listed, but refused all the same", () => {
  const cases: [string, State, string, Parameters<typeof chatIn>[2], Apply][] = [];
  type Apply = (bundle: Bundle, fixture: Fixture) => Promise<unknown>;
  const add = (
    what: string,
    from: State,
    code: string,
    options: Parameters<typeof chatIn>[2],
    apply: Apply,
  ): void => void cases.push([what, from, code, options, apply]);
  const { sendMessage, editMessage, promoteSteering, finishTurn, finishInterruption } = all;
  const send = (when_busy: "queue" | "steer" | "interrupt", max = 2): Apply => {
    return (bundle) =>
      sendMessage(bundle, { message: said("new"), when_busy, queueMessagesMax: max });
  };
  const full = { queue: ["queue", "queue"] } as const;
  for (const state of ["R1", "I1", "A1"] as const) {
    for (const manner of ["queue", "steer", "interrupt"] as const) {
      add(`${manner} into a full queue`, state, "queue_full", full, send(manner));
    }
  }
  add("send to a queue over its limit", "E1", "queue_full", full, send("queue", 1));
  const edit = (message_id: (fixture: Fixture) => number): Apply => {
    return (bundle, fixture) =>
      editMessage(bundle, {
        message_id: message_id(fixture),
        parts: text("edited"),
        client_id: null,
        created_by: null,
        keep_queue: false,
      });
  };
  const elsewhere = (): number => defined(fixtures.get("W"), "a fixture").turn;
  add(
    "edit a message that is not there",
    "W",
    "message_not_found",
    {},
    edit(() => 2 ** 40),
  );
  add("edit a message of another chat", "R0", "message_not_found", {}, edit(elsewhere));
  add(
    "edit a reply",
    "W",
    "message_not_found",
    {},
    edit((f) => f.turn + 1),
  );
  add("steer with nothing that steers", "R1", "transition_rejected", {}, (b) => promoteSteering(b));
  const steering = { queue: ["steer"] } as const;
  const withCall = { ...steering, calls: ["server"] } as const;
  add("steer past an open call", "R1", "transition_rejected", withCall, (b) => promoteSteering(b));
  add("finish past steering", "R1", "transition_rejected", steering, (b) => finishTurn(b));
  for (const state of ["I0", "I1"] as const) {
    for (const hold of [true, false]) {
      const options = { calls: ["client"], hold } as const;
      const partial = [{ role: "assistant", parts: text("half") }] as const;
      const stop: Apply = (b) => finishInterruption(b, { partial });
      add(`stop with an open call, hold ${hold}`, state, "transition_rejected", options, stop);
    }
  }
  for (const [what, apply] of Object.entries(queueActions)) {
    for (const state of ["E1", "R1", "I1", "A1"] as const) {
      add(`${what} of one that is not there`, state, "queued_message_not_found", {}, apply);
    }
  }
  add("an empty step", "R0", "transition_rejected", {}, (b) => all.commitStep(b, { messages: [] }));
  const server = { calls: ["server"] } as const;
  add("waiting for nobody", "R0", "transition_rejected", {}, (b) => all.enterRequiresAction(b));
  add("waiting for the server", "R0", "transition_rejected", server, (b) =>
    all.enterRequiresAction(b),
  );
  add("cancelling too early", "A0", "transition_rejected", {}, (b) => all.cancelRequiresAction(b));
  const result = (ids: (fixture: Fixture) => string[]): Apply => {
    return (bundle, fixture) =>
      all.completeRequiresAction(bundle, {
        results: ids(fixture).map((tool_call_id) => ({
          tool_call_id,
          output: null,
          is_error: false,
        })),
        submitted_by: null,
      });
  };
  const mismatch = "tool_result_mismatch";
  add(
    "a result for an unknown call",
    "A0",
    mismatch,
    {},
    result(() => ["nobody"]),
  );
  add(
    "a result for an approval",
    "A0",
    mismatch,
    {},
    result(({ calls }) => [...calls]),
  );
  add(
    "no results",
    "A0",
    mismatch,
    {},
    result(() => []),
  );
  add(
    "a result twice",
    "A0",
    mismatch,
    {},
    result(({ calls }) => [calls[0] ?? "", calls[0] ?? ""]),
  );
  const decide = (ids: (fixture: Fixture) => string[]): Apply => {
    return (bundle, fixture) =>
      all.decideApproval(bundle, {
        decisions: ids(fixture).map((tool_call_id) => ({ tool_call_id, decision: "approve" })),
        decided_by: randomUUID(),
      });
  };
  add(
    "a decision for an unknown call",
    "A0",
    mismatch,
    {},
    decide(() => ["nobody"]),
  );
  add(
    "a decision for a client's call",
    "A0",
    mismatch,
    {},
    decide(({ calls }) => [...calls]),
  );
  add(
    "no decisions",
    "A0",
    mismatch,
    {},
    decide(() => []),
  );
  add(
    "a decision twice",
    "A0",
    mismatch,
    {},
    decide(({ calls }) => [calls[1] ?? "", calls[1] ?? ""]),
  );

  test.each(cases)("%s (%s)", async (_what, from, code, options, apply) => {
    const fixture = await chatIn(world, from, options);
    await refuses(code, () => world.machine.update(fixture.id, (b) => apply(b, fixture)));
  });

  test("a retry of a turn that is complete", async () => {
    const { id } = await chatIn(world, "R0");
    await world.machine.update(id, async (bundle) => {
      await all.commitStep(bundle, {
        messages: [{ role: "assistant", parts: text("done"), finish_reason: "stop" }],
      });
      await all.finishError(bundle, {
        error: { kind: "step_limit", message: "enough", retryable: false },
      });
    });
    await refuses("nothing_to_retry", () => world.machine.update(id, (b) => all.retryTurn(b)));
  });

  test("a boundary with nothing after the last one", async () => {
    const { id } = await chatIn(world, "W");
    await world.machine.update(id, (bundle) => all.clearContext(bundle));
    await refuses("nothing_to_clear", () => world.machine.update(id, (b) => all.clearContext(b)));
    await refuses("nothing_to_compact", () =>
      world.machine.update(id, (b) => all.requestCompaction(b)),
    );
  });

  test("compaction before the first reply", async () => {
    const { id } = await chatIn(world, "E0", { replied: false });
    await refuses("nothing_to_compact", () =>
      world.machine.update(id, (b) => all.requestCompaction(b)),
    );
  });

  test("clearing the context of a paused chat says why", async () => {
    const { id } = defined(fixtures.get("E1"), "a fixture");
    const error = await refuses("transition_rejected", () =>
      world.machine.update(id, (b) => all.clearContext(b)),
    );
    expect(error.details).toMatchObject({ reason: "queue_not_empty" });
  });

  test("a chat without a user's message", async () => {
    await refuses("transition_rejected", () =>
      world.machine.create(newChat(world), (b) => all.createChat(b, { messages: [] })),
    );
  });

  test("a fork from a message that is not the source's", async () => {
    const source = await chatIn(world, "W");
    const fork = (up_to: number): Promise<unknown> =>
      world.machine.create(newChat(world, { status: "waiting" }), (b) =>
        all.forkChat(b, { source_chat_id: source.id, up_to }),
      );
    await refuses("message_not_found", () => fork(2 ** 40));
    await refuses("message_not_found", () => fork(defined(fixtures.get("W"), "a fixture").turn));
  });
});
