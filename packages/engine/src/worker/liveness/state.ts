import { backoffCeilingMs } from "../../lib/backoff.ts";
import type { LivenessOptions } from "./options.ts";

/** What a worker knows of its own life. Times are of its own monotonic clock. */
export interface LivenessState {
  readonly workerId: string;
  /** Whether the row of `workerId` has been written. */
  readonly registered: boolean;
  readonly draining: boolean;
  /** The lock that was proved to be held, and that beats may name. */
  readonly lockKey: number | null;
  /** A connection of the worker's own was lost since the last acknowledged beat. */
  readonly unwell: boolean;
  /** When the last beat that was acknowledged was sent; null before the first. */
  readonly beatSentAt: number | null;
  /** Connections in a row that could not be made, or that broke before a beat was acknowledged. */
  readonly failures: number;
}

export type LivenessEvent =
  | { readonly type: "registered"; readonly sentAt: number }
  | { readonly type: "beat"; readonly sentAt: number }
  /** The row is gone: others held this worker for dead. It goes on under a new name. */
  | { readonly type: "replaced"; readonly workerId: string }
  | { readonly type: "beat_connection_lost" }
  | { readonly type: "lock_proved"; readonly key: number }
  | { readonly type: "lock_lost" }
  | { readonly type: "drain" };

export function startLiveness(workerId: string): LivenessState {
  return {
    workerId,
    registered: false,
    draining: false,
    lockKey: null,
    unwell: false,
    beatSentAt: null,
    failures: 0,
  };
}

export function applyLiveness(state: LivenessState, event: LivenessEvent): LivenessState {
  switch (event.type) {
    case "registered":
      return { ...state, registered: true, unwell: false, beatSentAt: event.sentAt, failures: 0 };
    case "beat":
      return { ...state, unwell: false, beatSentAt: event.sentAt, failures: 0 };
    case "replaced":
      return { ...startLiveness(event.workerId), draining: state.draining };
    case "beat_connection_lost":
      return { ...state, unwell: true, failures: state.failures + 1 };
    case "lock_proved":
      return { ...state, lockKey: event.key };
    case "lock_lost":
      // A lock that never was proved was never registered: losing the connection says nothing about this worker.
      return state.lockKey === null ? state : { ...state, lockKey: null, unwell: true };
    case "drain":
      return { ...state, draining: true };
  }
}

/** How long to wait before a connection is made anew: half a beat at most, so that a short outage costs no lease. */
export function reconnectMs(failures: number, { beatMs }: LivenessOptions): number {
  return backoffCeilingMs(failures, { baseMs: beatMs / 20, maxMs: beatMs / 2 });
}

/**
 * Whether the worker may begin what must not happen twice: its last acknowledged beat is younger than half the lease, so
 * nobody can have taken its chats yet, and nobody will for as long again.
 */
export function isSure(state: LivenessState, now: number, { leaseMs }: LivenessOptions): boolean {
  return state.registered && state.beatSentAt !== null && now - state.beatSentAt < leaseMs / 2;
}
