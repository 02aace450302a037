import type { EventData, EventType, LivePart, Part, PreviewResetReason } from "@parley/protocol";
import { chatOf, queuedOf } from "../domain/representation.ts";
import type { ChatRow } from "../domain/rows.ts";
import { allOfRevision, isAfter, nowhere, type Position, type PreviewPosition } from "./cursor.ts";
import { digestOf } from "./digest.ts";
import { messagePayload, Payload } from "./encode.ts";
import type { FeedState } from "./feed-state.ts";
import { covers, cutAfter, windowOf } from "./recent.ts";

/** Messages that a stream without a cursor begins with. */
export const windowMessagesMax = 200;

/** One event, and the position that its cursor names. */
export interface Planned {
  readonly payload: Payload;
  readonly position: Position;
}

/** The preview that the feed shows, for those who do not have it yet. */
export interface ShownPreview {
  readonly position: PreviewPosition;
  /** The fold as of `position.seq`. */
  parts(): readonly Part[];
  /** The live parts after `seq`, or null where they are not kept any more. */
  since(seq: number): readonly LivePart[] | null;
}

export interface PlanContext {
  readonly shown: ShownPreview | null;
  /** The row that subscribers know, for the reason that a preview is dropped; null: not known. */
  readonly before: ChatRow | null;
  /** A new connection: ends with `ready`. */
  readonly initial: boolean;
}

export interface Plan {
  readonly events: readonly Planned[];
  /** Where whoever got the events is; always the same for all who follow a feed, but for `low`. */
  readonly position: Position;
  /** What the client has on its screen of a reply beyond what the feed knows: it stays until something replaces it. */
  readonly stray: PreviewPosition | null;
}

/**
 * What brings a client from one position to the state: the one place where that is decided, for a sync, for those who
 * come back and for those who are new (`from` null). Null: the state does not remember enough; the feed has to read.
 */
export function plan(state: FeedState, from: Position | null, context: PlanContext): Plan | null {
  const known = from !== null && covers(state.recent, from) ? from : null;
  if (from !== null && known === null) return null;
  const start = known === null ? freshStart(state) : resumedStart(state, known);
  if (start === null) return null;
  const planner = new Planner(start.position);
  if (start.reset) planner.add("history_reset", start.reset);
  planMessages(planner, state);
  planState(planner, state);
  const stray = planPreview(planner, state, start, context);
  planRetry(planner, state.chat);
  planner.pass(complete(state));
  if (context.initial) planner.add("ready", {});
  return { events: planner.events, position: planner.position, stray };
}

/** Whether `plan` would find everything it needs. */
export function canPlan(state: FeedState, from: Position | null): boolean {
  if (from !== null && !covers(state.recent, from)) return false;
  return (from === null ? freshStart(state) : resumedStart(state, from)) !== null;
}

/** All that lasts has been told up to the state's snapshot. */
export function complete(state: FeedState): Pick<Position, "revision" | "message_id" | "snapshot"> {
  const snapshot = state.chat.snapshot_version;
  return { revision: snapshot, message_id: allOfRevision, snapshot };
}

/** Where everybody is who follows the feed in this state, but for `low`. */
export function positionOf(
  state: FeedState,
  low: number,
  preview: PreviewPosition | null,
): Position {
  const { chat } = state;
  return {
    low,
    ...complete(state),
    status: digestOf(statusOf(state)),
    error: digestOf(chat.last_error),
    actions: digestOf(state.actions),
    queue: chat.queue_version,
    retry: chat.retry_state === null ? 0 : chat.retry_state_version,
    metadata: chat.metadata_version,
    preview,
  };
}

interface Start {
  readonly position: Position;
  readonly reset: EventData<"history_reset"> | null;
  /** Messages were deleted that the client may have. */
  readonly edited: boolean;
}

function freshStart(state: FeedState): Start | null {
  const window = windowOf(state.recent, windowMessagesMax);
  if (window === null) return null;
  const low = window.hasMore ? (window.messages[0]?.id ?? 0) : 0;
  const reset = { has_more: low > 0, ...(low > 0 ? { before: low } : {}) };
  const position = { ...nowhere, low, snapshot: state.chat.snapshot_version };
  return { position, reset, edited: false };
}

function resumedStart(state: FeedState, from: Position): Start | null {
  const first = cutAfter(state.recent, from.snapshot);
  const position = { ...from, snapshot: state.chat.snapshot_version };
  if (first === null) return { position, reset: null, edited: false };
  // Everything the client has is gone, or (which no transition does today) something in the middle: from the start.
  const kept = state.recent.messages.some((m) => m.id > first && !isAfter(place(m), from));
  if (first <= from.low || kept) return freshStart(state);
  const older = from.low > 0;
  const reset = {
    after: first - 1,
    has_more: older,
    ...(older ? { before: from.low } : {}),
  };
  return { position, reset, edited: true };
}

function place(message: { revision: number; id: number }): {
  revision: number;
  message_id: number;
} {
  return { revision: message.revision, message_id: message.id };
}

/** Collects events; what is passed over without an event counts as told with the event before. */
class Planner {
  readonly events: Planned[] = [];
  position: Position;

  constructor(position: Position) {
    this.position = position;
  }

  add<T extends EventType>(type: T, data: EventData<T>, patch: Partial<Position> = {}): void {
    this.push(new Payload(type, data), patch);
  }

  push(payload: Payload, patch: Partial<Position>): void {
    this.position = { ...this.position, ...patch };
    this.events.push({ payload, position: this.position });
  }

  pass(patch: Partial<Position>): void {
    this.position = { ...this.position, ...patch };
    const last = this.events.pop();
    if (last) this.events.push({ payload: last.payload, position: this.position });
  }

  /** Whether an event of this type was added. */
  has(type: EventType): boolean {
    return this.events.some(({ payload }) => payload.type === type);
  }
}

/** Clients take a message, a status or live text for the end of a retry's back-off. */
const noticeDropped = { retry: 0 };

function planMessages(planner: Planner, state: FeedState): void {
  const { messages } = state.recent;
  const from = planner.position;
  // In order: with each commit only its own messages are looked at, and not all that are remembered.
  const known = messages.findLastIndex((message) => !isAfter(place(message), from));
  for (const message of messages.slice(known + 1)) {
    if (message.id < from.low) continue;
    const at = place(message);
    const { preview } = planner.position;
    const absorbs =
      preview !== null && message.episode !== null && !isNewerEpisode(preview, message.episode);
    const patch = { ...at, ...noticeDropped };
    planner.push(messagePayload(message), absorbs ? { ...patch, preview: null } : patch);
  }
}

function planState(planner: Planner, state: FeedState): void {
  const { chat, queue, actions } = state;
  if (planner.position.queue !== chat.queue_version) {
    planner.add("queue_update", { queue: queue.map(queuedOf) }, { queue: chat.queue_version });
  }
  const status = statusOf(state);
  const digest = digestOf(status);
  const noticeOver = planner.position.retry !== 0 && chat.retry_state === null;
  if (planner.position.status !== digest || noticeOver) {
    planner.add("status", status, { status: digest, ...noticeDropped });
  }
  planError(planner, chat);
  const actionsDigest = digestOf(actions);
  if (planner.position.actions !== actionsDigest) {
    if (actions === null) planner.pass({ actions: actionsDigest });
    else {
      const deadline_at = chat.requires_action_deadline_at?.toISOString() ?? null;
      planner.add(
        "action_required",
        { actions: [...actions], deadline_at },
        { actions: actionsDigest },
      );
    }
  }
  planRetry(planner, chat);
  if (planner.position.metadata !== chat.metadata_version) {
    planner.add("chat", chatOf(chat), { metadata: chat.metadata_version });
  }
}

function planError(planner: Planner, chat: ChatRow): void {
  const digest = digestOf(chat.last_error);
  if (planner.position.error === digest) return;
  if (chat.last_error === null) planner.pass({ error: digest });
  else planner.add("error", chat.last_error, { error: digest });
}

/** A notice that still holds is said again after what makes a client drop it. */
function planRetry(planner: Planner, chat: ChatRow): void {
  const { retry_state, retry_state_version } = chat;
  if (retry_state === null || planner.position.retry === retry_state_version) return;
  planner.add("retry", retry_state, { retry: retry_state_version });
}

export function statusOf({
  chat,
  waiting,
}: Pick<FeedState, "chat" | "waiting">): EventData<"status"> {
  return {
    status: chat.status,
    archived: chat.archived,
    turn_message_id: chat.turn_message_id,
    ...(waiting === null ? {} : { waiting }),
  };
}

function planPreview(
  planner: Planner,
  state: FeedState,
  start: Start,
  context: PlanContext,
): PreviewPosition | null {
  const { chat } = state;
  const { shown } = context;
  const has = planner.position.preview;
  if (shown !== null) {
    if (has !== null && isNewerEpisode(has, shown.position)) return has;
    if (has !== null && sameName(has, shown.position)) return catchUp(planner, has, shown);
    if (has !== null) planner.add("preview_reset", { reason: "superseded" }, { preview: null });
    addSnapshot(planner, shown);
    return null;
  }
  if (has !== null && mayStillCount(chat, has)) return has;
  if (has !== null) {
    const reason = resetReason(chat, context.before, start.edited, planner);
    planner.add("preview_reset", { reason }, { preview: null });
  }
  return null;
}

/** Only what is missing, where the parts are still there; the whole, where they are not. */
function catchUp(
  planner: Planner,
  has: PreviewPosition,
  shown: ShownPreview,
): PreviewPosition | null {
  const { position } = shown;
  // A checkpoint is a little behind what was on the screen: that text stays.
  if (has.seq > position.seq) return has;
  if (has.seq === position.seq) return null;
  const parts = shown.since(has.seq);
  if (parts === null) {
    addSnapshot(planner, shown);
    return null;
  }
  const { history_version, generation_attempt } = position;
  parts.forEach((part, i) => {
    const at = { history_version, generation_attempt, seq: has.seq + 1 + i };
    planner.add("message_part", { ...at, part }, { preview: at, ...noticeDropped });
  });
  return null;
}

function addSnapshot(planner: Planner, shown: ShownPreview): void {
  const { position } = shown;
  const data = { ...position, parts: [...shown.parts()] };
  planner.add("preview_snapshot", data, { preview: position, ...noticeDropped });
}

/** Text of an attempt that may still be continued, committed or superseded is left on the screen. */
export function mayStillCount(
  chat: ChatRow,
  preview: Pick<PreviewPosition, "history_version">,
): boolean {
  return canHavePreview(chat) && chat.history_version === preview.history_version;
}

/** Only a turn that runs, or is being stopped, has text that is not committed yet. */
export function canHavePreview(chat: ChatRow): boolean {
  return chat.status === "running" || chat.status === "interrupting";
}

function resetReason(
  chat: ChatRow,
  before: ChatRow | null,
  edited: boolean,
  planner: Planner,
): PreviewResetReason {
  if (edited) return "edited";
  if (chat.status === "error" && chat.last_error?.kind !== "stopped") return "failed";
  if (before?.status === "interrupting" || chat.last_error?.kind === "stopped")
    return "interrupted";
  if (planner.events.some(({ payload }) => payload.boundary)) return "cleared";
  if (chat.status === "running") return "superseded";
  return "committed";
}

export function sameName(
  a: Omit<PreviewPosition, "seq">,
  b: Omit<PreviewPosition, "seq">,
): boolean {
  return a.history_version === b.history_version && a.generation_attempt === b.generation_attempt;
}

/** Of what the feed shows and what a client has beyond that, the further one. */
export function furthest(
  shown: PreviewPosition | null,
  stray: PreviewPosition | null,
): PreviewPosition | null {
  if (shown === null || stray === null) return shown ?? stray;
  if (sameName(shown, stray)) return stray.seq > shown.seq ? stray : shown;
  return isNewerEpisode(stray, shown) ? stray : shown;
}

/** Versions only grow, so of two episodes of a chat one is the newer. */
export function isNewerEpisode(
  a: Omit<PreviewPosition, "seq">,
  b: Omit<PreviewPosition, "seq">,
): boolean {
  if (a.history_version !== b.history_version) return a.history_version > b.history_version;
  return a.generation_attempt > b.generation_attempt;
}
