import type { StreamCloseReason } from "@parley/protocol";
import { ParleyApiError } from "../errors.ts";

/** Why a connection is over. */
export type ConnectionEnd =
  /** The server said so. */
  | { kind: "closed"; reason: StreamCloseReason }
  /** The server answered, and did not open a stream. */
  | { kind: "refused"; error: ParleyApiError }
  /** Anything else: no network, a proxy's doing, bytes that make no sense. */
  | { kind: "failed"; error: Error };

export interface ConnectionHandlers {
  opened(): void;
  /** A sign of life that carries nothing. */
  heard(): void;
  /** Parsed and not yet judged; `chars` is roughly what they weigh. */
  events(values: readonly unknown[], chars: number): void;
  /** Called once; nothing follows it. */
  ended(end: ConnectionEnd): void;
}

/** One way to carry a stream. After `close` no handler is called any more. */
export interface Transport {
  connect(cursor: string | undefined, handlers: ConnectionHandlers): { close(): void };
}

export function endOf(error: unknown): ConnectionEnd {
  if (error instanceof ParleyApiError) return { kind: "refused", error };
  return {
    kind: "failed",
    error: error instanceof Error ? error : new Error(String(error)),
  };
}

/** Nothing is said after `close`, and nothing after the end. */
export function whileOpen(
  handlers: ConnectionHandlers,
  isClosed: () => boolean,
): ConnectionHandlers {
  let over = false;
  const silent = () => over || isClosed();
  return {
    opened: () => void (silent() || handlers.opened()),
    heard: () => void (silent() || handlers.heard()),
    events: (values, chars) => void (silent() || handlers.events(values, chars)),
    ended(end) {
      if (silent()) return;
      over = true;
      handlers.ended(end);
    },
  };
}
