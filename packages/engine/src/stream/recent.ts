import type { MessageRow } from "../domain/rows.ts";
import type { ChangePoint, Cut, SyncRequest, SyncResult } from "../store/sync.ts";
import { allOfRevision, isAfter, type Position } from "./cursor.ts";

/** Messages that a feed keeps for joiners and for those who come back. */
export const recentMessagesMax = 256;

/** Deletions that are remembered for those who come back. */
const cutsMax = 64;

const unknownLow = Number.MAX_SAFE_INTEGER;

/**
 * What a feed remembers of a chat's messages, and how far that memory reaches. Immutable: every change gives a new one.
 *
 * Live messages that clients may see are in `messages` when (1) their id is at least `windowLow`, or (2) they changed
 * after `floor`. Deletions by snapshots after `cutsSince` are in `cuts`.
 */
export interface Recent {
  /** In (revision, id) order. */
  readonly messages: readonly MessageRow[];
  /** 0: from the first message of the chat on. */
  readonly windowLow: number;
  readonly floor: ChangePoint;
  readonly cuts: readonly Cut[];
  readonly cutsSince: number;
}

/** What a feed knows that has read nothing yet: nothing before this snapshot. */
function blank(snapshot: number): Recent {
  const floor = { revision: snapshot, message_id: allOfRevision };
  return { messages: [], windowLow: unknownLow, floor, cuts: [], cutsSince: snapshot };
}

/** A read's messages and deletions added to what was known; the newer revision of each message counts. */
export function withRead(known: Recent | null, request: SyncRequest, result: SyncResult): Recent {
  const { chat, changed, window } = result;
  const overflowed = request.since !== null && changed === null;
  let recent = known === null || overflowed ? blank(chat.snapshot_version) : known;
  if (!overflowed && changed !== null && request.since !== null) {
    const since = request.since;
    recent = withCuts(recent, result.cuts);
    recent = { ...recent, messages: merged(recent.messages, changed) };
    if (isAfter(recent.floor, since)) recent = { ...recent, floor: since };
  }
  if (request.cutsAfter !== null) {
    const cuts = known === null || overflowed ? result.cuts : recent.cuts;
    const cutsSince = Math.min(recent.cutsSince, request.cutsAfter);
    recent = { ...recent, cuts, cutsSince };
  }
  if (window !== null) {
    const low = window.hasMore ? (window.messages[0]?.id ?? 0) : 0;
    recent = {
      ...recent,
      messages: merged(recent.messages, window.messages),
      windowLow: Math.min(recent.windowLow, low),
    };
  }
  return recent;
}

/** Messages inserted or changed by a bundle that directly follows what is known. */
export function withChanges(known: Recent, changed: readonly MessageRow[]): Recent {
  const visible = changed.filter((message) => message.visibility !== "model" && !message.deleted);
  if (visible.length === 0) return known;
  return { ...known, messages: merged(known.messages, visible) };
}

/** Forgets the oldest changes until the limit is kept. */
export function trimmed(recent: Recent): Recent {
  const excess = recent.messages.length - recentMessagesMax;
  if (excess <= 0) return recent;
  const dropped = recent.messages.slice(0, excess);
  const last = dropped.at(-1) as MessageRow;
  const point = { revision: last.revision, message_id: last.id };
  const lowest = Math.max(...dropped.map((message) => message.id)) + 1;
  return {
    ...recent,
    messages: recent.messages.slice(excess),
    windowLow: Math.max(recent.windowLow, lowest),
    floor: isAfter(point, recent.floor) ? point : recent.floor,
  };
}

/** Whether everything after the position is remembered. */
export function covers(recent: Recent, position: Position): boolean {
  if (recent.cutsSince > position.snapshot) return false;
  return !isAfter(recent.floor, position) || recent.windowLow <= position.low;
}

/** The newest `limit` messages, oldest first; null where memory does not reach that far back. */
export function windowOf(
  recent: Recent,
  limit: number,
): { messages: readonly MessageRow[]; hasMore: boolean } | null {
  const known = recent.messages.filter((message) => message.id >= recent.windowLow);
  if (known.length < limit && recent.windowLow > 0) return null;
  const newest = known.toSorted((a, b) => a.id - b.id).slice(-limit);
  return { messages: newest, hasMore: recent.windowLow > 0 || known.length > newest.length };
}

/** The first id that was deleted by snapshots after the given one; null: none. */
export function cutAfter(recent: Recent, snapshot: number): number | null {
  const ids = recent.cuts.filter((cut) => cut.revision > snapshot).map((cut) => cut.first_id);
  return ids.length === 0 ? null : Math.min(...ids);
}

function withCuts(recent: Recent, cuts: readonly Cut[]): Recent {
  const known = new Set(recent.cuts.map((cut) => cut.revision));
  const fresh = cuts.filter((cut) => !known.has(cut.revision));
  if (fresh.length === 0) return recent;
  // What is live and follows a deletion was inserted after it, by a later revision or by the same bundle.
  const messages = recent.messages.filter(
    (message) =>
      !fresh.some((cut) => message.id >= cut.first_id && message.revision < cut.revision),
  );
  const all = [...recent.cuts, ...fresh].sort((a, b) => a.revision - b.revision);
  const forgotten = all.slice(0, Math.max(0, all.length - cutsMax)).at(-1);
  return {
    ...recent,
    messages,
    cuts: all.slice(-cutsMax),
    cutsSince: forgotten ? Math.max(recent.cutsSince, forgotten.revision) : recent.cutsSince,
  };
}

function merged(
  messages: readonly MessageRow[],
  changed: readonly MessageRow[],
): readonly MessageRow[] {
  const last = messages.at(-1);
  const first = changed[0];
  if (first === undefined) return messages;
  // The usual case: what changed is newer than everything known.
  if (last === undefined || first.revision > last.revision) {
    if (isOrdered(changed)) return [...messages, ...changed];
  }
  const byId = new Map(messages.map((message) => [message.id, message]));
  for (const message of changed) {
    const held = byId.get(message.id);
    if (held === undefined || held.revision < message.revision) byId.set(message.id, message);
  }
  return [...byId.values()].sort((a, b) => a.revision - b.revision || a.id - b.id);
}

function isOrdered(messages: readonly MessageRow[]): boolean {
  return messages.every((message, i) => {
    const before = messages[i - 1];
    return (
      before === undefined ||
      before.revision < message.revision ||
      (before.revision === message.revision && before.id < message.id)
    );
  });
}
