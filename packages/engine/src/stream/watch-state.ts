import type { WatchEvent } from "@parley/protocol";
import { chatOf } from "../domain/representation.ts";
import { tombstoneKeptMs, type WatchedChat, type WatchResult } from "../store/watch.ts";
import type { WatchPosition } from "./watch-cursor.ts";

/** What is told of a list, and where the client is after it. */
export interface WatchPlanned {
  readonly type: WatchEvent["type"];
  readonly data: object;
  readonly position: WatchPosition;
}

/** What a list's feed has told, as far as it could be told again. Pure. */
export interface WatchState {
  readonly position: WatchPosition;
  /** Versions told of chats that the next read gives once more: those changed at or after `position.xmin`. */
  readonly told: ReadonlyMap<string, string>;
}

/** A cursor older than this may have missed a deletion that is forgotten by now. An hour is for sweeps and clocks. */
const resumableMs = tombstoneKeptMs - 3_600_000;

/** Whether a client can go on from its position, given what was read. */
export function canResume(from: WatchPosition, result: WatchResult): boolean {
  if (result.changed === null || from.xmin > result.xmax) return false;
  return result.now - from.readAt <= resumableMs;
}

/** The list from the start: its newest chats. */
export function planList(result: WatchResult): WatchPlanned[] {
  const position = positionOf(result);
  const start = { xmin: 0n, readAt: 0 };
  const events: WatchPlanned[] = [{ type: "list_reset", data: {}, position: start }];
  // Until all of it has been sent, a client that comes back begins anew: it goes by last message, not by last change.
  for (const chat of result.newest ?? []) {
    events.push({ type: "chat", data: chatOf(chat), position: start });
  }
  events.push({ type: "ready", data: {}, position });
  return events;
}

/** What has changed since a position; `told`: what need not be told again. */
export function planChanges(
  result: WatchResult,
  from: WatchPosition,
  told: ReadonlyMap<string, string>,
  initial: boolean,
): WatchPlanned[] {
  const position = positionOf(result);
  const changed = (result.changed ?? []).filter(
    (chat) => chat.changed_xid >= from.xmin && told.get(chat.id) !== versionsOf(chat),
  );
  const deleted = result.deleted.filter(
    ({ chat_id, changed_xid }) => changed_xid >= from.xmin && told.get(chat_id) !== gone,
  );
  const events = [
    ...changed.map((chat) => ({
      type: "chat" as const,
      data: chatOf(chat),
      xid: chat.changed_xid,
    })),
    ...deleted.map(({ chat_id, changed_xid }) => ({
      type: "chat_deleted" as const,
      data: { id: chat_id },
      xid: changed_xid,
    })),
  ].sort((a, b) => (a.xid < b.xid ? -1 : a.xid > b.xid ? 1 : 0));
  const planned = events.map(({ type, data, xid }, i): WatchPlanned => {
    // What follows was changed by this transaction or later ones.
    const last = i === events.length - 1;
    const xmin = last || xid > position.xmin ? position.xmin : xid;
    return { type, data, position: { ...position, xmin } };
  });
  if (initial) planned.push({ type: "ready", data: {}, position });
  return planned;
}

export function stateAfter(result: WatchResult): WatchState {
  const position = positionOf(result);
  const told = new Map<string, string>();
  for (const chat of [...(result.newest ?? []), ...(result.changed ?? [])]) {
    if (chat.changed_xid >= position.xmin) told.set(chat.id, versionsOf(chat));
  }
  for (const { chat_id, changed_xid } of result.deleted) {
    if (changed_xid >= position.xmin) told.set(chat_id, gone);
  }
  return { position, told };
}

const gone = "deleted";

function versionsOf(chat: WatchedChat): string {
  return `${chat.snapshot_version}/${chat.metadata_version}`;
}

function positionOf({ xmin, now }: WatchResult): WatchPosition {
  return { xmin, readAt: now };
}
