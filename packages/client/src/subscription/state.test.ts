import { describe, expect, it } from "vitest";
import { ParleyApiError, StreamEndedError } from "../errors.ts";
import { streamLimits as limits } from "./options.ts";
import {
  initialState,
  step,
  type StepContext,
  type SubscriptionInput,
  type SubscriptionState,
} from "./state.ts";
import type { ConnectionEnd } from "./transport.ts";

const context: StepContext = { nowMs: 0, random: 0, limits };

/** Feeds the inputs and gives the last step. */
function run(
  from: SubscriptionState,
  inputs: readonly SubscriptionInput[],
  over: Partial<StepContext> = {},
) {
  let state = from;
  let last = step(state, inputs[0]!, { ...context, ...over });
  for (const input of inputs.slice(1)) {
    state = last.state;
    last = step(state, input, { ...context, ...over });
  }
  return last;
}

const start: SubscriptionInput = { type: "start" };
const opened = (connection = 1): SubscriptionInput => ({ type: "opened", connection });
const events = (
  more: Partial<Extract<SubscriptionInput, { type: "events" }>> = {},
): SubscriptionInput => ({
  type: "events",
  connection: 1,
  cursor: "c1",
  ready: false,
  full: false,
  ...more,
});
const over = (end: ConnectionEnd, connection = 1): SubscriptionInput => ({
  type: "connection_ended",
  connection,
  end,
});
const failed: ConnectionEnd = { kind: "failed", error: new Error("no network") };
const refused = (
  status: number,
  code: ParleyApiError["code"],
  retryAfterMs?: number,
): ConnectionEnd => ({
  kind: "refused",
  error: new ParleyApiError({ status, code, detail: code, retryAfterMs }),
});
const fresh = initialState(undefined);

describe("a connection that fails", () => {
  it("is made again after 0.5 s doubling to 10 s, jittered", () => {
    const waits = (random: number) => {
      let state = run(fresh, [start]).state;
      return Array.from({ length: 7 }, () => {
        const wait = step(state, over(failed, state.connection), { ...context, random });
        state = step(wait.state, { type: "timer" }, context).state;
        const [effect] = wait.effects;
        return effect?.type === "set_timer" ? effect.ms : null;
      });
    };
    expect(waits(0)).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
    expect(waits(1)).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it("is asked for with the last cursor", () => {
    const { effects } = run(fresh, [start, opened(), events(), over(failed), { type: "timer" }]);
    expect(effects).toContainEqual({ type: "connect", connection: 2, cursor: "c1" });
  });

  it("counts as healthy again once everything has been sent, not before", () => {
    const state = { ...run(fresh, [start]).state, failures: 3 };
    expect(run(state, [opened(), events()]).state.failures).toBe(3);
    expect(run(state, [opened(), events({ ready: true })]).state.failures).toBe(0);
  });

  it("waits as long as the server asks", () => {
    const { effects } = run(fresh, [start, over(refused(503, "draining", 7_000))]);
    expect(effects).toContainEqual({ type: "set_timer", ms: 7_000, label: "stream reconnect" });
  });
});

describe("silence", () => {
  const open = run(fresh, [start, opened()]).state;

  it("of 40 s ends the connection", () => {
    const { effects, state } = run(open, [{ type: "timer" }], { nowMs: 40_000 });
    expect(effects[0]).toEqual({ type: "disconnect" });
    expect(state.phase).toBe("waiting");
  });

  it("is counted from the last sign of life", () => {
    const { state } = run(open, [{ type: "heard", connection: 1 }], { nowMs: 15_000 });
    const { effects } = run(state, [{ type: "timer" }], { nowMs: 40_000 });
    expect(effects).toEqual([{ type: "set_timer", ms: 15_000, label: "stream silence" }]);
  });

  it("while connecting is bounded, too", () => {
    const { state } = run(fresh, [start, { type: "timer" }], { nowMs: 20_000 });
    expect(state.phase).toBe("waiting");
  });
});

describe("an end that the server gives a reason for", () => {
  it.each(["reconnect", "slow_consumer"] as const)("%s: comes back with the cursor", (reason) => {
    const { state } = run(fresh, [start, opened(), events(), over({ kind: "closed", reason })]);
    expect(state).toMatchObject({ phase: "waiting", cursor: "c1" });
  });

  it.each(["forbidden", "chat_deleted", "invalid_frame"] as const)("%s: is final", (reason) => {
    const { effects } = run(fresh, [start, opened(), over({ kind: "closed", reason })]);
    expect(effects).toContainEqual({ type: "end", error: new StreamEndedError(reason) });
  });
});

describe("a refusal", () => {
  it.each([
    [401, "unauthorized"],
    [403, "forbidden"],
    [404, "chat_not_found"],
  ] as const)("%i is final", (status, code) => {
    const { state, effects } = run(fresh, [start, over(refused(status, code))]);
    expect(state.phase).toBe("ended");
    expect(effects.at(-1)).toMatchObject({ type: "end", error: { status, code } });
  });

  it.each([429, 500, 503])("%i is not", (status) => {
    expect(run(fresh, [start, over(refused(status, "internal"))]).state.phase).toBe("waiting");
  });

  it("of the cursor begins anew without one, at once", () => {
    const { effects } = run(initialState("bad"), [start, over(refused(400, "invalid_cursor"))]);
    expect(effects).toContainEqual({ type: "connect", connection: 2, cursor: undefined });
  });

  it("of a cursor that was not sent is final", () => {
    expect(run(fresh, [start, over(refused(400, "invalid_cursor"))]).state.phase).toBe("ended");
  });
});

describe("a reader that does not read", () => {
  const paused = run(fresh, [start, opened(), events({ full: true })]);

  it("loses its connection and no event", () => {
    expect(paused.effects).toEqual([{ type: "disconnect" }, { type: "clear_timer" }]);
    expect(paused.state).toMatchObject({ phase: "paused", cursor: "c1" });
  });

  it("gets it back when it has read everything", () => {
    const { effects } = run(paused.state, [{ type: "drained" }]);
    expect(effects).toContainEqual({ type: "connect", connection: 2, cursor: "c1" });
  });
});

it("what an earlier connection still says is ignored", () => {
  const second = run(fresh, [start, opened(), over(failed), { type: "timer" }, opened(2)]).state;
  for (const late of [opened(1), events({ connection: 1 }), over(failed, 1)]) {
    expect(step(second, late, context)).toEqual({ state: second, effects: [] });
  }
});

it("resync begins anew without a cursor and without what is unread", () => {
  const { effects } = run(fresh, [start, opened(), events(), { type: "resync" }]);
  expect(effects.map((effect) => effect.type)).toEqual([
    "disconnect",
    "discard_buffer",
    "set_timer",
    "connect",
  ]);
  expect(effects.at(-1)).toMatchObject({ cursor: undefined });
});

it("nothing happens after the end", () => {
  const { state } = run(fresh, [start, { type: "stop" }]);
  for (const input of [
    start,
    { type: "timer" },
    { type: "resync" },
    { type: "drained" },
  ] as const) {
    expect(step(state, input, context).effects).toEqual([]);
  }
});
