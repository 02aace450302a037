import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dialMs,
  idleMs,
  keepAliveMs,
  newLink,
  retryBackoff,
  silenceMs,
  stableMs,
  step,
  type LinkEffect,
  type LinkEvent,
  type LinkState,
} from "./link-state.ts";

/** Runs events one after the other, and gives the last state with the effects of the last one. */
function run(
  events: readonly (LinkEvent | number)[],
  state: LinkState = newLink,
): { state: LinkState; effects: readonly LinkEffect[] } {
  let now = 0;
  let last: { state: LinkState; effects: readonly LinkEffect[] } = { state, effects: [] };
  for (const event of events) {
    if (typeof event === "number") now += event;
    else last = step(last.state, event, { now, chance: 0.5 });
  }
  return last;
}

const followed: LinkEvent = { type: "followed", stream: 1 };
const unfollowed: LinkEvent = { type: "unfollowed", stream: 1, ended: false };
const connected = (dial: number): LinkEvent => ({ type: "connected", dial });
const greeted = (dial: number): LinkEvent => ({ type: "greeted", dial });
const lost = (dial: number): LinkEvent => ({ type: "lost", dial, code: "relay_unreachable" });
const timer = (name: "dial" | "retry" | "idle"): LinkEvent => ({ type: "timer", timer: name });
const open = [followed, connected(1), greeted(1)];

describe("a link's state", () => {
  it("dials for the first follow only", () => {
    expect(run([followed]).effects).toEqual([
      { type: "set", timer: "dial", ms: dialMs },
      { type: "dial", dial: 1, again: false },
    ]);
    expect(run([followed, followed]).effects).toEqual([]);
  });

  it("greets, then asks for everything, then for each", () => {
    expect(run([followed, connected(1)]).effects).toEqual([{ type: "greet" }]);
    expect(run(open).effects).toContainEqual({ type: "ask_all" });
    expect(run([...open, { type: "followed", stream: 2 }]).effects).toContainEqual({
      type: "ask",
      stream: 2,
    });
    expect(run([...open, unfollowed]).effects).toEqual([
      { type: "unask", stream: 1 },
      { type: "set", timer: "idle", ms: idleMs },
    ]);
    expect(run([...open, { ...unfollowed, ended: true }]).effects).toEqual([
      { type: "set", timer: "idle", ms: idleMs },
    ]);
  });

  it("waits longer after each failure, and anew after a link that held", () => {
    const waits = (events: readonly (LinkEvent | number)[]): number | undefined =>
      run(events).effects.find((effect) => effect.type === "set")?.ms;
    const again = timer("retry");
    expect(waits([followed, lost(1)])).toBe(retryBackoff.baseMs * 0.75);
    expect(waits([followed, lost(1), again, lost(2)])).toBe(2 * retryBackoff.baseMs * 0.75);
    const flapping = [followed, lost(1), again, connected(2), greeted(2), stableMs - 1, lost(2)];
    expect(waits(flapping)).toBe(2 * retryBackoff.baseMs * 0.75);
    const held = [followed, lost(1), again, connected(2), greeted(2), stableMs, lost(2)];
    expect(waits(held)).toBe(retryBackoff.baseMs * 0.75);
  });

  it("says that a later dial is not the first one", () => {
    expect(run([followed, lost(1), timer("retry")]).effects).toContainEqual({
      type: "dial",
      dial: 2,
      again: true,
    });
  });

  it("is not hurried by those who come and go while it waits", () => {
    const { state, effects } = run([followed, lost(1), unfollowed, followed]);
    expect(state.phase).toBe("waiting");
    expect(effects).toEqual([]);
    const forgotten = run([followed, lost(1), unfollowed, timer("retry")]);
    expect(forgotten.state.phase).toBe("idle");
    expect(forgotten.effects).toEqual([{ type: "unused" }]);
  });

  it("gives up a dial that takes too long, and hangs up what it still brings", () => {
    const givenUp = run([followed, timer("dial")]);
    expect(givenUp.state.phase).toBe("waiting");
    expect(givenUp.effects).toContainEqual({ type: "hang_up", dial: 1, code: "relay_timeout" });
    const late = run([timer("retry"), connected(1)], givenUp.state);
    expect(late.state).toMatchObject({ phase: "dialling", dial: 2 });
    expect(late.effects).toEqual([{ type: "hang_up", dial: 1, code: "relay_unused" }]);
    const stale = run([followed, lost(1), timer("retry"), lost(1)]);
    expect(stale.state).toMatchObject({ phase: "dialling", dial: 2, failures: 1 });
    expect(stale.effects).toEqual([]);
    expect(run([followed, connected(1), timer("dial")]).state.phase).toBe("waiting");
  });

  it("ends what is silent, and what carries nothing", () => {
    const beat = (heardAt: number): LinkEvent => ({ type: "timer", timer: "keep_alive", heardAt });
    expect(run([...open, keepAliveMs, beat(0)]).effects[0]).toEqual({ type: "keep_alive" });
    expect(run([...open, silenceMs, beat(0)]).effects).toContainEqual({
      type: "hang_up",
      dial: 1,
      code: "relay_silent",
    });
    expect(run([...open, unfollowed, timer("idle")]).effects.at(-1)).toEqual({ type: "unused" });
    expect(run([...open, unfollowed, followed, timer("idle")]).state.phase).toBe("open");
  });

  it("once stopped does nothing more", () => {
    const stopped = run([...open, { type: "stop" }]).state;
    expect(stopped.phase).toBe("closed");
    for (const event of [
      followed,
      unfollowed,
      greeted(1),
      lost(1),
      timer("retry"),
      timer("idle"),
    ]) {
      expect(run([event], stopped).effects).toEqual([]);
    }
  });

  it("holds under any order of events", () => {
    const anyDial = fc.integer({ min: 0, max: 6 });
    const event = fc.oneof(
      fc.constant<LinkEvent>(followed),
      fc.constant<LinkEvent>(unfollowed),
      anyDial.map(connected),
      anyDial.map(greeted),
      anyDial.map(lost),
      fc.constantFrom("dial", "retry", "idle").map((name) => timer(name as "dial")),
      fc
        .nat(100_000)
        .map((heardAt): LinkEvent => ({ type: "timer", timer: "keep_alive", heardAt })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(40_000))), (events) => {
        let state = newLink;
        let now = 0;
        const timers = new Set<string>();
        let live = 0;
        for (const [next, ms] of events) {
          now += ms;
          // A follow can be taken back only once, and a timer fires only when it is set.
          if (next.type === "unfollowed" && state.follows === 0) continue;
          if (next.type === "timer" && !timers.delete(next.timer)) continue;
          const before = state;
          const result = step(state, next, { now, chance: 0 });
          state = result.state;
          for (const effect of result.effects) {
            if (effect.type === "set") timers.add(effect.timer);
            if (effect.type === "cancel") timers.delete(effect.timer);
            if (effect.type === "dial") {
              expect(live, "one connection at a time").toBe(0);
              live = effect.dial;
            }
            if (effect.type === "hang_up" && effect.dial === live) live = 0;
            if (effect.type === "ask" || effect.type === "unask") expect(before.phase).toBe("open");
          }
          expect(state.follows).toBeGreaterThanOrEqual(0);
          const wanted = {
            idle: [],
            dialling: ["dial"],
            greeting: ["dial"],
            open: state.follows === 0 ? ["idle", "keep_alive"] : ["keep_alive"],
            waiting: ["retry"],
            closed: [],
          }[state.phase];
          expect([...timers].sort(), state.phase).toEqual(wanted);
          expect(live === 0).toBe(["idle", "waiting", "closed"].includes(state.phase));
          if (state.phase === "idle") expect(state.follows).toBe(0);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
