import type { Runtime } from "../runtime.ts";
import type { Connection } from "../subscription/options.ts";

/** `connecting`: for the first time; `live`: what happens is shown at once; `ended`: for good, see `ended`. */
export type ConnectionState = "connecting" | "live" | "reconnecting" | "ended";

export interface ConnectionView {
  readonly connection: ConnectionState;
  /** When the next try begins, in milliseconds since 1970; null while none is waited for. */
  readonly reconnectAt: number | null;
}

export const notConnected: ConnectionView = { connection: "connecting", reconnectAt: null };

/** What a person is told of a connection. `before`: what he was told last. */
export function connectionView(
  before: ConnectionView,
  { phase, failures, retryInMs }: Connection,
  runtime: Runtime,
): ConnectionView {
  switch (phase) {
    case "connecting":
      return { connection: neverLive(before, failures), reconnectAt: null };
    case "waiting":
      return { connection: "reconnecting", reconnectAt: runtime.wallMs() + (retryInMs ?? 0) };
    // Given up until this page has read what it was sent: nothing that a person could do or know.
    case "paused":
    case "open":
      return { connection: "live", reconnectAt: null };
    case "ended":
      return { connection: "ended", reconnectAt: null };
    default:
      return phase satisfies never;
  }
}

function neverLive(before: ConnectionView, failures: number): ConnectionState {
  return before.connection === "connecting" && failures === 0 ? "connecting" : "reconnecting";
}
