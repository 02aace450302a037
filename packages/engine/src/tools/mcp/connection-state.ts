import { backoffMs } from "../../lib/backoff.ts";
import type { Random } from "../../lib/random.ts";
import { assertNever } from "../../lib/assert.ts";

/** A server that is down is asked again after 1 s, then 2 s, …, once a minute at most. */
const retry = { baseMs: 1_000, maxMs: 60_000 };

/** One connection to one server. `dial` numbers the attempts: what a stale one brings is thrown away. */
export type ConnectionState =
  | { readonly phase: "idle"; readonly dial: number }
  | { readonly phase: "connecting"; readonly dial: number; readonly failures: number }
  | { readonly phase: "open"; readonly dial: number }
  | {
      readonly phase: "waiting";
      readonly dial: number;
      readonly failures: number;
      readonly problem: string;
      /** Monotonic: nobody but a call dials before. */
      readonly untilMs: number;
    }
  | { readonly phase: "stopped"; readonly dial: number };

export type ConnectionEvent =
  /** Somebody looks at the tools: connect in the background. */
  | { readonly type: "wanted"; readonly nowMs: number }
  /** Somebody calls a tool: connect, also where the next attempt would be due later. */
  | { readonly type: "called" }
  | { readonly type: "connected"; readonly dial: number }
  | {
      readonly type: "failed";
      readonly dial: number;
      readonly nowMs: number;
      readonly problem: string;
      readonly random: Pick<Random, "float">;
    }
  /** An open connection broke. */
  | { readonly type: "lost"; readonly dial: number }
  | { readonly type: "idle" }
  | { readonly type: "stop" };

/** `retry`: where the connection is to be kept, come back with `wanted` after this long. */
export type ConnectionEffect =
  | { readonly type: "dial"; readonly dial: number }
  | { readonly type: "close" }
  | { readonly type: "retry"; readonly afterMs: number };

export const initialState: ConnectionState = { phase: "idle", dial: 0 };

export function next(
  state: ConnectionState,
  event: ConnectionEvent,
): { readonly state: ConnectionState; readonly effects: readonly ConnectionEffect[] } {
  const same = { state, effects: [] };
  if (state.phase === "stopped") {
    return event.type === "connected" ? { state, effects: [{ type: "close" }] } : same;
  }
  switch (event.type) {
    case "wanted":
      if (state.phase === "idle") return dial(state, 0);
      if (state.phase !== "waiting" || event.nowMs < state.untilMs) return same;
      return dial(state, state.failures);
    case "called":
      if (state.phase === "idle") return dial(state, 0);
      return state.phase === "waiting" ? dial(state, state.failures) : same;
    case "connected":
      if (state.phase !== "connecting" || state.dial !== event.dial) return same;
      return { state: { phase: "open", dial: state.dial }, effects: [] };
    case "failed": {
      if (state.phase !== "connecting" || state.dial !== event.dial) return same;
      const failures = state.failures + 1;
      const afterMs = retry.baseMs / 2 + backoffMs(failures, retry, event.random);
      const { problem, nowMs } = event;
      return {
        state: {
          phase: "waiting",
          dial: state.dial,
          failures,
          problem,
          untilMs: nowMs + afterMs,
        },
        effects: [{ type: "retry", afterMs }],
      };
    }
    case "lost":
      if (state.phase !== "open" || state.dial !== event.dial) return same;
      // At once, but not in a circle: an attempt that fails waits.
      return {
        state: { phase: "idle", dial: state.dial },
        effects: [{ type: "retry", afterMs: retry.baseMs }],
      };
    case "idle":
      if (state.phase !== "open") return same;
      return { state: { phase: "idle", dial: state.dial }, effects: [{ type: "close" }] };
    case "stop":
      return { state: { phase: "stopped", dial: state.dial }, effects: [{ type: "close" }] };
    default:
      return assertNever(event, "connection event");
  }
}

function dial(state: ConnectionState, failures: number) {
  const number = state.dial + 1;
  return {
    state: { phase: "connecting", dial: number, failures } as const,
    effects: [{ type: "dial", dial: number }] as const,
  };
}
