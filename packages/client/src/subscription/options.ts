import { streamTiming } from "@parley/protocol";
import type { ConnectionEnd } from "./transport.ts";

export interface SubscribeOptions {
  /** Of the last event that was seen: the stream goes on directly after it. */
  cursor?: string | undefined;
  /** Ends the subscription; the iteration is then done, without an error. */
  signal?: AbortSignal | undefined;
  /** Default: WebSocket where there is one. */
  transport?: "websocket" | "sse" | undefined;
  /** Told of every change of the connection. */
  onConnection?: ((connection: Connection) => void) | undefined;
}

/** What a person may be told about the connection. */
export interface Connection {
  phase: "connecting" | "open" | "waiting" | "paused" | "ended";
  /** Connections that failed in a row. */
  failures: number;
  /** `waiting`: how long until the next try. */
  retryInMs?: number;
  /** `waiting`: why the last connection ended. */
  end?: ConnectionEnd;
}

/** The numbers a subscription lives by. */
export interface StreamLimits {
  backoffMsMin: number;
  backoffMsMax: number;
  /** A connection on which nothing has been heard for so long is dead. */
  silenceMs: number;
  connectMs: number;
  /** What a consumer may leave unread before the connection is given up until it has read. */
  bufferEventsMax: number;
  bufferCharsMax: number;
}

export const streamLimits: StreamLimits = {
  backoffMsMin: 500,
  backoffMsMax: 10_000,
  silenceMs: streamTiming.silenceMs,
  connectMs: 20_000,
  // Some seconds of a fast reply; the first window alone is 200 messages.
  bufferEventsMax: 4_096,
  bufferCharsMax: 16 * 1024 * 1024,
};
