import type { EventType, WatchEvent } from "@parley/protocol";

/** What a newer server says besides is skipped, and only its cursor kept. */
export type KnownTypes = Readonly<Record<string, true>>;

export const chatEventTypes: Readonly<Record<EventType, true>> = {
  message: true,
  message_part: true,
  preview_snapshot: true,
  preview_reset: true,
  history_reset: true,
  queue_update: true,
  status: true,
  error: true,
  retry: true,
  action_required: true,
  chat: true,
  ready: true,
};

export const watchEventTypes: Readonly<Record<WatchEvent["type"], true>> = {
  list_reset: true,
  chat: true,
  chat_deleted: true,
  ready: true,
};

export interface StreamEvent {
  type: string;
  cursor?: string | undefined;
  data: object;
}

export interface Decoded {
  events: StreamEvent[];
  /** Of the last event, known or not. */
  cursor: string | undefined;
}

/**
 * Tells events from what is none. The fields inside are the server's word: it validates what it sends.
 *
 * @throws TypeError when a value is no event at all
 */
export function decode(values: readonly unknown[], known: KnownTypes): Decoded {
  const events: StreamEvent[] = [];
  let cursor: string | undefined;
  for (const value of values) {
    if (!isEvent(value)) throw new TypeError("the stream carried something that is no event");
    cursor = value.cursor ?? cursor;
    if (Object.hasOwn(known, value.type)) events.push(value);
  }
  return { events, cursor };
}

function isEvent(value: unknown): value is StreamEvent {
  if (typeof value !== "object" || value === null) return false;
  const { type, cursor, data } = value as Record<string, unknown>;
  const hasCursor = cursor === undefined || typeof cursor === "string";
  return typeof type === "string" && hasCursor && typeof data === "object" && data !== null;
}
