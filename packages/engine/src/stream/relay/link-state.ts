import { assertNever } from "../../lib/assert.ts";
import { backoffCeilingMs } from "../../lib/backoff.ts";
import type { RelayErrorCode } from "./errors.ts";

/** Looking up the address, connecting, and the greeting, all together. */
export const dialMs = 5_000;

/** Between two dials of a peer that does not answer: half of it for certain, half by chance. */
export const retryBackoff = { baseMs: 500, maxMs: 10_000 };

/** A link that held this long was a good one: the next failure is the first. */
export const stableMs = 5_000;

/** A link that carries nothing is kept this long: the next step of a chat is often seconds away. */
export const idleMs = 60_000;

/** Each side says something at least this often. */
export const keepAliveMs = 10_000;

/** A side that was not heard for this long is gone, whatever TCP thinks. */
export const silenceMs = 30_000;

/**
 * `idle`: nobody needs the link; `dialling`, then `greeting`, then `open`; `waiting` for the next dial;
 * `closed`: stopped for good.
 */
export type LinkPhase = "idle" | "dialling" | "greeting" | "open" | "waiting" | "closed";

/** One link to one peer, without what flows over it. */
export interface LinkState {
  readonly phase: LinkPhase;
  /** The number of the last dial: what an earlier one still brings is discarded. */
  readonly dial: number;
  /** Dials and links that have failed in a row. */
  readonly failures: number;
  /** Episodes that are followed over it. */
  readonly follows: number;
  /** Monotonic time of the greeting; null unless open. */
  readonly openedAt: number | null;
}

export const newLink: LinkState = {
  phase: "idle",
  dial: 0,
  failures: 0,
  follows: 0,
  openedAt: null,
};

export type LinkTimer = "dial" | "retry" | "idle" | "keep_alive";

export type LinkEvent =
  | { readonly type: "followed"; readonly stream: number }
  /** `ended`: the owner closed it, and need not be told. */
  | { readonly type: "unfollowed"; readonly stream: number; readonly ended: boolean }
  | { readonly type: "connected"; readonly dial: number }
  | { readonly type: "greeted"; readonly dial: number }
  | { readonly type: "lost"; readonly dial: number; readonly code: RelayErrorCode }
  | { readonly type: "timer"; readonly timer: Exclude<LinkTimer, "keep_alive"> }
  /** `heardAt`: monotonic time of the last frame. */
  | { readonly type: "timer"; readonly timer: "keep_alive"; readonly heardAt: number }
  | { readonly type: "stop" };

export type LinkEffect =
  /** `again`: after a failure, so that the rows are to be read again before anything is asked for. */
  | { readonly type: "dial"; readonly dial: number; readonly again: boolean }
  | { readonly type: "greet" }
  | { readonly type: "ask"; readonly stream: number }
  | { readonly type: "ask_all" }
  | { readonly type: "unask"; readonly stream: number }
  | { readonly type: "keep_alive" }
  /** Ends the connection, or the attempt, of this dial. */
  | { readonly type: "hang_up"; readonly dial: number; readonly code: RelayErrorCode }
  | { readonly type: "set"; readonly timer: LinkTimer; readonly ms: number }
  | { readonly type: "cancel"; readonly timer: LinkTimer }
  /** Nobody needs it: it may be forgotten. */
  | { readonly type: "unused" };

/** What a decision takes from the outside. */
export interface LinkMoment {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** Uniform in [0, 1). */
  readonly chance: number;
}

export interface LinkStep {
  readonly state: LinkState;
  /** In order. */
  readonly effects: readonly LinkEffect[];
}

/** The whole behaviour of a link: pure. */
export function step(state: LinkState, event: LinkEvent, moment: LinkMoment): LinkStep {
  if (state.phase === "closed") return afterClosing(state, event);
  switch (event.type) {
    case "followed":
      return onFollowed(state, event.stream);
    case "unfollowed":
      return onUnfollowed(state, event.stream, event.ended);
    case "connected":
      if (event.dial !== state.dial || state.phase !== "dialling") return stale(state, event.dial);
      return { state: { ...state, phase: "greeting" }, effects: [{ type: "greet" }] };
    case "greeted":
      return onGreeted(state, event.dial, moment);
    case "lost":
      return event.dial === state.dial ? onLost(state, event.code, moment) : same(state);
    case "timer":
      return onTimer(state, event, moment);
    case "stop":
      return {
        state: { ...state, phase: "closed", openedAt: null },
        effects: [
          ...cancelled("dial", "retry", "idle", "keep_alive"),
          { type: "hang_up", dial: state.dial, code: "relay_stopped" },
        ],
      };
    default:
      return assertNever(event, "event of a link");
  }
}

function onFollowed(state: LinkState, stream: number): LinkStep {
  const next = { ...state, follows: state.follows + 1 };
  if (state.phase === "idle") return dialled(next, false);
  // Not open yet: everything is asked for when it is. Waiting: an eager follower does not shorten the wait.
  if (state.phase !== "open") return { state: next, effects: [] };
  return { state: next, effects: [...cancelled("idle"), { type: "ask", stream }] };
}

function onUnfollowed(state: LinkState, stream: number, ended: boolean): LinkStep {
  const next = { ...state, follows: state.follows - 1 };
  if (state.phase !== "open") return { state: next, effects: [] };
  const effects: LinkEffect[] = ended ? [] : [{ type: "unask", stream }];
  if (next.follows === 0) effects.push({ type: "set", timer: "idle", ms: idleMs });
  return { state: next, effects };
}

function onGreeted(state: LinkState, dial: number, { now }: LinkMoment): LinkStep {
  if (dial !== state.dial || state.phase !== "greeting") return stale(state, dial);
  const effects: LinkEffect[] = [
    ...cancelled("dial"),
    { type: "set", timer: "keep_alive", ms: keepAliveMs },
    { type: "ask_all" },
  ];
  if (state.follows === 0) effects.push({ type: "set", timer: "idle", ms: idleMs });
  return { state: { ...state, phase: "open", openedAt: now }, effects };
}

function onLost(state: LinkState, code: RelayErrorCode, { now, chance }: LinkMoment): LinkStep {
  if (state.phase === "idle" || state.phase === "waiting") return same(state);
  const stable = state.openedAt !== null && now - state.openedAt >= stableMs;
  const failures = stable ? 1 : state.failures + 1;
  const ms = (backoffCeilingMs(failures, retryBackoff) * (1 + chance)) / 2;
  return {
    state: { ...state, phase: "waiting", failures, openedAt: null },
    effects: [
      ...cancelled("dial", "idle", "keep_alive"),
      { type: "hang_up", dial: state.dial, code },
      // Also when nobody follows: whoever comes back within the wait does not get around it.
      { type: "set", timer: "retry", ms },
    ],
  };
}

function onTimer(
  state: LinkState,
  event: Extract<LinkEvent, { type: "timer" }>,
  moment: LinkMoment,
): LinkStep {
  switch (event.timer) {
    case "dial": {
      const underWay = state.phase === "dialling" || state.phase === "greeting";
      return underWay ? onLost(state, "relay_timeout", moment) : same(state);
    }
    case "retry":
      if (state.phase !== "waiting") return same(state);
      return state.follows > 0 ? dialled(state, true) : unused(state, []);
    case "idle":
      if (state.phase !== "open" || state.follows > 0) return same(state);
      return unused(state, [
        ...cancelled("keep_alive"),
        { type: "hang_up", dial: state.dial, code: "relay_unused" },
      ]);
    case "keep_alive":
      if (state.phase !== "open") return same(state);
      if (moment.now - event.heardAt >= silenceMs) return onLost(state, "relay_silent", moment);
      return {
        state,
        effects: [{ type: "keep_alive" }, { type: "set", timer: "keep_alive", ms: keepAliveMs }],
      };
    default:
      return assertNever(event, "timer of a link");
  }
}

/** Follows may still be taken back; nothing else happens. */
function afterClosing(state: LinkState, event: LinkEvent): LinkStep {
  if (event.type === "connected") return stale(state, event.dial);
  if (event.type === "followed") return same({ ...state, follows: state.follows + 1 });
  if (event.type === "unfollowed") return same({ ...state, follows: state.follows - 1 });
  return same(state);
}

function dialled(state: LinkState, again: boolean): LinkStep {
  const dial = state.dial + 1;
  return {
    state: { ...state, phase: "dialling", dial },
    effects: [
      { type: "set", timer: "dial", ms: dialMs },
      { type: "dial", dial, again },
    ],
  };
}

function unused(state: LinkState, effects: readonly LinkEffect[]): LinkStep {
  return {
    state: { ...state, phase: "idle", failures: 0, openedAt: null },
    effects: [...effects, { type: "unused" }],
  };
}

/** A connection that nobody waits for any more. */
function stale(state: LinkState, dial: number): LinkStep {
  if (dial === state.dial && state.phase !== "closed") return same(state);
  return { state, effects: [{ type: "hang_up", dial, code: "relay_unused" }] };
}

function same(state: LinkState): LinkStep {
  return { state, effects: [] };
}

function cancelled(...timers: readonly LinkTimer[]): LinkEffect[] {
  return timers.map((timer) => ({ type: "cancel", timer }));
}
