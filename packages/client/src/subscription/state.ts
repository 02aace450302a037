import { streamCloses } from "@parley/protocol";
import { StreamEndedError } from "../errors.ts";
import type { StreamLimits } from "./options.ts";
import type { ConnectionEnd } from "./transport.ts";

/**
 * The decisions of a subscription: what to do about what has just happened. Pure; the loop performs them.
 */
export interface SubscriptionState {
  readonly phase: "idle" | "connecting" | "open" | "waiting" | "paused" | "ended";
  /** Counts connections. What an earlier one still says is ignored. */
  readonly connection: number;
  /** Of the last event that was buffered. */
  readonly cursor: string | undefined;
  /** Connections in a row that ended before everything had been sent. */
  readonly failures: number;
  readonly heardAtMs: number;
}

export type SubscriptionInput =
  | { type: "start" }
  | { type: "opened"; connection: number }
  | { type: "heard"; connection: number }
  | {
      type: "events";
      connection: number;
      cursor: string | undefined;
      /** `ready` was among them. */
      ready: boolean;
      /** The consumer has left too much unread. */
      full: boolean;
    }
  | { type: "connection_ended"; connection: number; end: ConnectionEnd }
  /** The one timer fired; what it means depends on the phase. */
  | { type: "timer" }
  /** The consumer has read all there was. */
  | { type: "drained" }
  /** The consumer lost its place: begin anew. */
  | { type: "resync" }
  | { type: "stop" };

export type SubscriptionEffect =
  | { type: "connect"; connection: number; cursor: string | undefined }
  | { type: "disconnect" }
  /** Replaces the timer that is set. */
  | { type: "set_timer"; ms: number; label: string }
  | { type: "clear_timer" }
  | { type: "discard_buffer" }
  | { type: "end"; error: Error | null };

export interface SubscriptionStep {
  state: SubscriptionState;
  effects: SubscriptionEffect[];
  /** The end that made it wait. */
  because?: ConnectionEnd;
}

export interface StepContext {
  nowMs: number;
  /** At least 0, less than 1. */
  random: number;
  limits: StreamLimits;
}

export function initialState(cursor: string | undefined): SubscriptionState {
  return { phase: "idle", connection: 0, cursor, failures: 0, heardAtMs: 0 };
}

export function step(
  state: SubscriptionState,
  input: SubscriptionInput,
  context: StepContext,
): SubscriptionStep {
  if (state.phase === "ended") return { state, effects: [] };
  if ("connection" in input && !listens(state, input.connection)) return { state, effects: [] };
  switch (input.type) {
    case "start":
      return state.phase === "idle" ? connect(state, context) : { state, effects: [] };
    case "opened":
      return {
        state: { ...state, phase: "open", heardAtMs: context.nowMs },
        effects: [{ type: "set_timer", ms: context.limits.silenceMs, label: "stream silence" }],
      };
    case "heard":
      return { state: { ...state, heardAtMs: context.nowMs }, effects: [] };
    case "events":
      return received(state, input, context);
    case "connection_ended":
      return connectionEnded(state, input.end, context);
    case "timer":
      return timerFired(state, context);
    case "drained":
      return state.phase === "paused" ? connect(state, context) : { state, effects: [] };
    case "resync":
      return startOver(state, context);
    case "stop":
      return ended(state, null);
    default:
      return input satisfies never;
  }
}

function listens(state: SubscriptionState, connection: number): boolean {
  const live = state.phase === "connecting" || state.phase === "open";
  return live && connection === state.connection;
}

function connect(state: SubscriptionState, { limits }: StepContext): SubscriptionStep {
  const connection = state.connection + 1;
  return {
    state: { ...state, phase: "connecting", connection },
    effects: [
      { type: "set_timer", ms: limits.connectMs, label: "stream connect" },
      { type: "connect", connection, cursor: state.cursor },
    ],
  };
}

function received(
  state: SubscriptionState,
  input: Extract<SubscriptionInput, { type: "events" }>,
  { nowMs }: StepContext,
): SubscriptionStep {
  const next: SubscriptionState = {
    ...state,
    cursor: input.cursor ?? state.cursor,
    // Not before: an event that breaks every connection would otherwise be asked for twice a second.
    failures: input.ready ? 0 : state.failures,
    heardAtMs: nowMs,
  };
  if (!input.full) return { state: next, effects: [] };
  return {
    state: { ...next, phase: "paused" },
    effects: [{ type: "disconnect" }, { type: "clear_timer" }],
  };
}

function connectionEnded(
  state: SubscriptionState,
  end: ConnectionEnd,
  context: StepContext,
): SubscriptionStep {
  if (end.kind === "closed" && !streamCloses[end.reason].resumable) {
    return ended(state, new StreamEndedError(end.reason));
  }
  if (end.kind === "refused") {
    const { error } = end;
    if (error.code === "invalid_cursor" && state.cursor !== undefined) {
      return connect({ ...state, cursor: undefined }, context);
    }
    if (isFinal(error.status)) return ended(state, error);
  }
  return wait(state, end, context);
}

/** The same question would get the same answer. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function wait(
  state: SubscriptionState,
  end: ConnectionEnd,
  { limits, random }: StepContext,
): SubscriptionStep {
  const ceiling = Math.min(limits.backoffMsMax, limits.backoffMsMin * 2 ** state.failures);
  const asked = end.kind === "refused" ? (end.error.retryAfterMs ?? 0) : 0;
  const ms = Math.max(asked, ceiling * (0.5 + random / 2));
  return {
    state: { ...state, phase: "waiting", failures: state.failures + 1 },
    effects: [{ type: "set_timer", ms, label: "stream reconnect" }],
    because: end,
  };
}

function timerFired(state: SubscriptionState, context: StepContext): SubscriptionStep {
  switch (state.phase) {
    case "waiting":
      return connect(state, context);
    case "connecting":
      return drop(state, `no stream within ${context.limits.connectMs} ms`, context);
    case "open": {
      // Looked at when the timer fires, since setting it anew at every frame would cost more.
      const leftMs = state.heardAtMs + context.limits.silenceMs - context.nowMs;
      if (leftMs > 0) {
        return { state, effects: [{ type: "set_timer", ms: leftMs, label: "stream silence" }] };
      }
      return drop(state, `nothing heard for ${context.limits.silenceMs} ms`, context);
    }
    case "idle":
    case "paused":
    case "ended":
      return { state, effects: [] };
    default:
      return state.phase satisfies never;
  }
}

function drop(state: SubscriptionState, why: string, context: StepContext): SubscriptionStep {
  const next = wait(state, { kind: "failed", error: new Error(why) }, context);
  return { ...next, effects: [{ type: "disconnect" }, ...next.effects] };
}

function startOver(state: SubscriptionState, context: StepContext): SubscriptionStep {
  const fresh = { ...state, cursor: undefined };
  if (state.phase === "idle") return { state: fresh, effects: [] };
  const next = connect(fresh, context);
  return {
    ...next,
    effects: [{ type: "disconnect" }, { type: "discard_buffer" }, ...next.effects],
  };
}

function ended(state: SubscriptionState, error: Error | null): SubscriptionStep {
  return {
    state: { ...state, phase: "ended" },
    effects: [{ type: "disconnect" }, { type: "clear_timer" }, { type: "end", error }],
  };
}
