import { describe, expect, test } from "vitest";
import { rowIn } from "../../../test/rows.ts";
import { decide, startRunner, type Effect, type RunnerEvent, type RunnerState } from "./state.ts";

const mine = { worker_id: "w", runner_id: "r" };

function play(...events: RunnerEvent[]): { state: RunnerState; effects: Effect["type"][] } {
  let state = startRunner("w", "r");
  let effects: readonly Effect[] = [];
  for (const event of events) ({ state, effects } = decide(state, event));
  return { state, effects: effects.map(({ type }) => type) };
}

const running = rowIn({ ...mine, snapshot_version: 2, history_version: 1 });
const confirmed: RunnerEvent = { type: "confirmed", row: running };
const news = (over: Parameters<typeof rowIn>[0], own = false): RunnerEvent => ({
  type: "row",
  row: rowIn({ ...mine, history_version: 1, ...over }),
  own,
});

describe("a runner", () => {
  test("starts what the row calls for when its ownership is confirmed", () => {
    const { state, effects } = play(confirmed);
    expect(effects).toEqual(["start"]);
    expect(state.active).toEqual({ kind: "generation", status: "running", history_version: 1 });
  });

  test("goes by the newest row where news came before the confirmation", () => {
    const { state } = play(news({ snapshot_version: 3, status: "interrupting" }), confirmed);
    expect(state.active?.kind).toBe("interruption");
  });

  test("ends when news from before the confirmation names another", () => {
    expect(play(news({ snapshot_version: 3, runner_id: "other" }), confirmed).state.phase).toBe(
      "ended",
    );
  });

  test("ignores what is not newer", () => {
    expect(play(confirmed, news({ snapshot_version: 2, status: "interrupting" })).effects).toEqual(
      [],
    );
    expect(play(confirmed, news({ snapshot_version: 1, runner_id: null })).effects).toEqual([]);
  });

  test("lets its task be when status and history are as before", () => {
    const { state, effects } = play(confirmed, news({ snapshot_version: 3, queue_length: 1 }));
    expect(effects).toEqual([]);
    expect(state.row?.snapshot_version).toBe(3);
  });

  test.each([
    ["interrupting", "interruption"],
    ["requires_action", "deadline"],
    ["waiting", "abandon"],
    ["error", "abandon"],
  ] as const)("replaces its task at once when the status becomes %s", (status, kind) => {
    const { state, effects } = play(confirmed, news({ snapshot_version: 3, status }));
    expect(effects).toEqual(["cancel", "start"]);
    expect(state.active?.kind).toBe(kind);
  });

  test("starts anew when history has changed under it", () => {
    expect(play(confirmed, news({ snapshot_version: 3, history_version: 3 })).effects).toEqual([
      "cancel",
      "start",
    ]);
  });

  test("lets its task go on with what that task committed itself", () => {
    const own = news({ snapshot_version: 3, history_version: 3 }, true);
    const { state, effects } = play(confirmed, own);
    expect(effects).toEqual([]);
    expect(state.active).toEqual({ kind: "generation", status: "running", history_version: 3 });
  });

  test("starts the successor when its task ends", () => {
    const own = news({ snapshot_version: 3, status: "requires_action" }, true);
    const { state, effects } = play(confirmed, own, { type: "task_ended", outcome: "success" });
    expect(effects).toEqual(["start"]);
    expect(state.active?.kind).toBe("deadline");
  });

  test("ends when its task has given the chat up", () => {
    const own = news(
      { snapshot_version: 3, status: "waiting", worker_id: null, runner_id: null },
      true,
    );
    const { state, effects } = play(confirmed, own);
    expect(effects).toEqual(["cancel", "end"]);
    expect(state.phase).toBe("ended");
  });

  test("reads the row when the fence was lost, and starts again when it is its own still", () => {
    const lost = play(confirmed, { type: "task_ended", outcome: "fence_lost" });
    expect(lost.effects).toEqual(["read"]);
    const { effects } = decide(lost.state, { type: "row", row: running, own: false });
    expect(effects.map(({ type }) => type)).toEqual(["start"]);
  });

  test("counts refusals of the fence for as long as nothing newer is seen", () => {
    const lost: RunnerEvent = { type: "task_ended", outcome: "fence_lost" };
    const same: RunnerEvent = { type: "row", row: running, own: false };
    const refusals = (...events: RunnerEvent[]): unknown => {
      let state = startRunner("w", "r");
      let effects: readonly Effect[] = [];
      for (const event of events) ({ state, effects } = decide(state, event));
      return effects;
    };
    expect(refusals(confirmed, lost)).toEqual([{ type: "read", refusals: 1 }]);
    expect(refusals(confirmed, lost, same, lost)).toEqual([{ type: "read", refusals: 2 }]);
    const newer = news({ snapshot_version: 3 });
    expect(refusals(confirmed, lost, same, lost, newer, lost)).toEqual([
      { type: "read", refusals: 1 },
    ]);
  });

  test("reads the row when the commit that would make it the owner is unsure", () => {
    const unsure = play({ type: "unsure" });
    expect(unsure.effects).toEqual(["read"]);
    expect(decide(unsure.state, { type: "row", row: running, own: false }).state.phase).toBe(
      "driving",
    );
    const other = rowIn({ ...mine, runner_id: null, worker_id: null });
    expect(decide(unsure.state, { type: "row", row: other, own: false }).state.phase).toBe("ended");
  });

  test("takes any row for news after it was told to forget", () => {
    const forgotten = play(confirmed, { type: "forget" });
    expect(forgotten.effects).toEqual(["read"]);
    const older = rowIn({ ...mine, snapshot_version: 1, status: "interrupting" });
    const { effects } = decide(forgotten.state, { type: "row", row: older, own: false });
    expect(effects.map(({ type }) => type)).toEqual(["cancel", "start"]);
  });

  test("ends with its chat, and hears nothing afterwards", () => {
    expect(play(confirmed, { type: "gone" }).effects).toEqual(["cancel", "end"]);
    expect(play(confirmed, { type: "end" }, news({ snapshot_version: 9 })).effects).toEqual([]);
  });
});
