import type {
  Chat,
  ChatError,
  ChatEvent,
  EpisodeName,
  EventData,
  ListMessagesAnswer,
  Message,
  QueuedMessage,
  RetryState,
} from "@parley/protocol";
import { foldPart, isNewer, newest, previewOf, type Preview } from "./preview.ts";

/**
 * One chat as its stream tells it. Values are replaced, never changed: what is the same object shows
 * the same thing, so a view may compare by identity.
 */
export interface Transcript {
  readonly chat: Chat | null;
  readonly status: EventData<"status"> | null;
  /** In the order of their ids. */
  readonly messages: readonly Message[];
  /** Older messages exist: ask for those before `before` and hand them to `addOlder`. */
  readonly hasMore: boolean;
  readonly before: number | undefined;
  readonly preview: Preview | null;
  readonly queue: readonly QueuedMessage[];
  readonly error: ChatError | null;
  readonly retry: RetryState | null;
  readonly actions: EventData<"action_required"> | null;
  /** Everything up to now has arrived. */
  readonly ready: boolean;
  /** A live part was lost: subscribe again without a cursor. Never seen from a server without faults. */
  readonly desync: boolean;
  readonly internal: Internal;
}

interface Internal {
  /** The newest episode that a message has absorbed: whatever of it still arrives is stale. */
  readonly absorbed: EpisodeName | null;
  /** Ids that a reset dropped and that were not sent again after it: they never come back. */
  readonly dropped: ReadonlySet<number>;
  /** Only messages have come since a reset: those that it keeps follow it directly. */
  readonly resetting: boolean;
  /** Counts resets, so that a page asked for before one is not added after it. */
  readonly resets: number;
}

const nothingDropped: ReadonlySet<number> = new Set();

export const emptyTranscript: Transcript = {
  chat: null,
  status: null,
  messages: [],
  hasMore: false,
  before: undefined,
  preview: null,
  queue: [],
  error: null,
  retry: null,
  actions: null,
  ready: false,
  desync: false,
  internal: { absorbed: null, dropped: nothingDropped, resetting: false, resets: 0 },
};

/** The transcript after one more event. Pure; events that are seen already change nothing. */
export function applyEvent(transcript: Transcript, event: ChatEvent): Transcript {
  const t = event.type === "message" ? transcript : endResetting(transcript);
  switch (event.type) {
    case "message":
      return withoutRetry(withMessage(t, event.data));
    case "message_part":
      return withoutRetry(withPart(t, event.data));
    case "preview_snapshot":
      return withoutRetry(withSnapshot(t, event.data));
    case "preview_reset":
      return t.preview === null && !t.desync ? t : { ...t, preview: null, desync: false };
    case "history_reset":
      return event.data.after === undefined
        ? startOver(t, event.data)
        : dropAfter(t, event.data.after, event.data);
    case "queue_update":
      return { ...t, queue: event.data.queue };
    case "status":
      return withStatus(t, event.data);
    case "error":
      return { ...t, error: event.data };
    case "retry":
      return { ...t, retry: event.data };
    case "action_required":
      return { ...t, actions: event.data };
    case "chat":
      return { ...t, chat: event.data };
    case "ready":
      return t.ready ? t : { ...t, ready: true };
    default:
      // A newer server may say more than this client knows.
      event satisfies never;
      return t;
  }
}

/** The transcript after a whole frame: a view that renders once per frame never sees half of a sync. */
export function applyEvents(transcript: Transcript, events: Iterable<ChatEvent>): Transcript {
  let t = transcript;
  for (const event of events) t = applyEvent(t, event);
  return t;
}

/**
 * Adds a page of older messages. `asked` is the transcript that the page was asked for: where history
 * was reset since, the page is ignored, for it may show what has been deleted.
 */
export function addOlder(
  transcript: Transcript,
  page: Pick<ListMessagesAnswer, "messages" | "has_more">,
  asked: Transcript,
): Transcript {
  if (asked.internal.resets !== transcript.internal.resets) return transcript;
  if (asked.before !== transcript.before) return transcript;
  let messages = transcript.messages;
  for (const message of page.messages) messages = place(messages, message);
  const oldest = messages[0]?.id;
  return { ...transcript, messages, hasMore: page.has_more, before: oldest ?? transcript.before };
}

function withMessage(t: Transcript, message: Message): Transcript {
  const { episode } = message;
  const absorbs = episode !== null && t.preview !== null && !isNewer(t.preview, episode);
  const absorbed = newest(t.internal.absorbed, episode);
  const messages = accepts(t, message) ? place(t.messages, message) : t.messages;
  const dropped =
    messages === t.messages ? t.internal.dropped : without(t.internal.dropped, message.id);
  const queue = withoutSent(t.queue, message.client_id);
  if (
    messages === t.messages &&
    queue === t.queue &&
    !absorbs &&
    absorbed === t.internal.absorbed &&
    dropped === t.internal.dropped
  ) {
    return t;
  }
  return {
    ...t,
    messages,
    queue,
    preview: absorbs ? null : t.preview,
    desync: absorbs ? false : t.desync,
    internal: { ...t.internal, absorbed, dropped },
  };
}

/** A message that has entered the history has left the queue, though the queue without it may come a frame later. */
function withoutSent(
  queue: readonly QueuedMessage[],
  clientId: string | null,
): readonly QueuedMessage[] {
  const isSent = (queued: QueuedMessage) => clientId !== null && queued.client_id === clientId;
  return queue.some(isSent) ? queue.filter((queued) => !isSent(queued)) : queue;
}

function accepts(t: Transcript, message: Message): boolean {
  if (t.internal.dropped.has(message.id)) {
    // What an edit deletes is older than the message that it puts in its place.
    return t.internal.resetting || message.id > (t.messages.at(-1)?.id ?? 0);
  }
  // Older than the window: it belongs to a page that has not been asked for.
  const below = t.hasMore && t.before !== undefined && message.id < t.before;
  return !below || t.messages.some((held) => held.id === message.id);
}

/** Puts a message where its id belongs, unless the list holds that revision or a newer one. */
function place(messages: readonly Message[], message: Message): readonly Message[] {
  const at = messages.findLastIndex((other) => other.id <= message.id);
  const held = messages[at];
  if (held?.id !== message.id) return messages.toSpliced(at + 1, 0, message);
  return held.revision >= message.revision ? messages : messages.with(at, message);
}

function withPart(t: Transcript, live: EventData<"message_part">): Transcript {
  const { preview } = t;
  if (t.internal.absorbed !== null && !isNewer(live, t.internal.absorbed)) return t;
  if (preview !== null && isNewer(preview, live)) return t;
  const continues = preview !== null && !isNewer(live, preview);
  if (continues && live.seq <= preview.seq) return t;
  if (live.seq !== (continues ? preview.seq + 1 : 1)) return t.desync ? t : { ...t, desync: true };
  const base: Preview = continues ? preview : previewOf({ ...live, seq: 0, parts: [] });
  const next = foldPart(base, live);
  if (next === null) return { ...t, desync: true };
  return { ...t, preview: next, desync: false };
}

function withSnapshot(t: Transcript, snapshot: EventData<"preview_snapshot">): Transcript {
  if (t.internal.absorbed !== null && !isNewer(snapshot, t.internal.absorbed)) return t;
  const { preview } = t;
  const seen =
    preview !== null &&
    !isNewer(snapshot, preview) &&
    (isNewer(preview, snapshot) || snapshot.seq <= preview.seq);
  if (seen && !t.desync) return t;
  return {
    ...t,
    preview: previewOf(snapshot),
    desync: false,
  };
}

/** Everything that hangs on the history is sent anew; chat and status stay on the screen until then. */
function startOver(t: Transcript, reset: EventData<"history_reset">): Transcript {
  return {
    ...emptyTranscript,
    chat: t.chat,
    status: t.status,
    // A server may start over in the middle of a connection, and says `ready` once in each.
    ready: t.ready,
    hasMore: reset.has_more,
    before: reset.before,
    internal: {
      absorbed: null,
      dropped: nothingDropped,
      resetting: true,
      resets: t.internal.resets + 1,
    },
  };
}

/** The preview is left to the `preview_reset` that follows, or to the message that absorbs it. */
function dropAfter(t: Transcript, after: number, reset: EventData<"history_reset">): Transcript {
  const kept = t.messages.filter((message) => message.id <= after);
  const dropped = new Set(t.internal.dropped);
  for (const message of t.messages) if (message.id > after) dropped.add(message.id);
  return {
    ...t,
    messages: kept,
    hasMore: kept.length > 0 ? t.hasMore : reset.has_more,
    before: kept.length > 0 ? t.before : reset.before,
    internal: { ...t.internal, dropped, resetting: true, resets: t.internal.resets + 1 },
  };
}

function withStatus(t: Transcript, status: EventData<"status">): Transcript {
  return {
    ...t,
    status,
    error: status.status === "error" ? t.error : null,
    actions: status.status === "requires_action" ? t.actions : null,
    retry: null,
  };
}

function withoutRetry(t: Transcript): Transcript {
  return t.retry === null ? t : { ...t, retry: null };
}

function endResetting(t: Transcript): Transcript {
  return t.internal.resetting ? { ...t, internal: { ...t.internal, resetting: false } } : t;
}

function without(ids: ReadonlySet<number>, id: number): ReadonlySet<number> {
  if (!ids.has(id)) return ids;
  const rest = new Set(ids);
  rest.delete(id);
  return rest;
}
