import { applyEvent, emptyTranscript, type Transcript } from "@parley/client";
import type {
  ChatError,
  ChatEvent,
  ChatNotice,
  EpisodeName,
  Message,
  PreviewResetReason,
  QueuedMessage,
} from "@parley/protocol";
import { oneLine, type Ink } from "./ink.ts";
import {
  errorText,
  finishTexts,
  noticeOverText,
  noticeText,
  plainText,
  queuedLine,
  compacting,
  compactionTool,
  resetTexts,
  retryText,
  startedAgain,
} from "./wording.ts";
import { continuation, inksOf, piecesOf, type Piece } from "./pieces.ts";
import { isBusy } from "./settled.ts";
import { usageText } from "./usage.ts";

/** What stands on the screen of one chat, and what the stream has said. Values are replaced, never changed. */
export interface Screen {
  readonly transcript: Transcript;
  /** How many of the messages that were there at the start are shown. */
  readonly recentMax: number;
  /** Nothing is shown until everything up to now has come: it would come in the stream's order. */
  readonly begun: boolean;
  readonly shown: ReadonlySet<number>;
  /** The reply that is being written, as far as it has been. */
  readonly episode: EpisodeName | null;
  readonly printed: readonly Piece[];
  /** Client ids of messages that stand on the screen because they were typed there. */
  readonly typed: ReadonlySet<string>;
  /** Of the error that was shown last: reconnecting does not show it again. */
  readonly error: string | null;
  readonly actions: ReadonlySet<string>;
  /** A turn has ended, and what the chat has cost by then is not shown yet. */
  readonly ended: boolean;
}

export interface Shown {
  screen: Screen;
  inks: Ink[];
}

export function emptyScreen(recentMax: number): Screen {
  return {
    transcript: emptyTranscript,
    recentMax,
    begun: false,
    shown: new Set(),
    episode: null,
    printed: [],
    typed: new Set(),
    error: null,
    actions: new Set(),
    ended: false,
  };
}

/** A message was typed here: it is not to be shown again when it enters the chat. */
export function withTyped(screen: Screen, clientId: string): Screen {
  return { ...screen, typed: new Set([...screen.typed, clientId]) };
}

/** What to write for one more event. */
export function show(before: Screen, event: ChatEvent): Shown {
  const was = before.transcript;
  const screen = { ...before, transcript: applyEvent(was, event) };
  if (!before.begun) return event.type === "ready" ? begin(screen) : { screen, inks: [] };
  switch (event.type) {
    case "message":
      return screen.transcript.messages === was.messages
        ? { screen, inks: [] }
        : showMessage(screen, event.data);
    case "message_part":
    case "preview_snapshot":
      return screen.transcript.preview === was.preview
        ? { screen, inks: [] }
        : showPreview(screen, was);
    case "preview_reset":
      return dropReply(screen, event.data.reason);
    case "history_reset":
      return dropHistory(screen, event.data.after);
    case "queue_update":
      return showQueue(screen, was.queue);
    case "status":
      return showStatus(screen, was);
    case "error":
      return showError(screen, event.data);
    case "retry":
      return { screen, inks: [notice(retryText(event.data))] };
    case "action_required":
      return showActions(screen);
    case "chat":
      return showChat(screen, was);
    case "ready":
      return { screen, inks: [] };
    default:
      event satisfies never;
      return { screen, inks: [] };
  }
}

/** The first picture: the newest messages, then what is going on. */
function begin(screen: Screen): Shown {
  const { chat, messages, queue, error, preview, actions } = screen.transcript;
  const recent = screen.recentMax === 0 ? [] : messages.slice(-screen.recentMax);
  const older = messages.slice(0, messages.length - recent.length).map((message) => message.id);
  let at: Shown = { screen: { ...screen, begun: true, shown: new Set(older) }, inks: [] };
  const then = (next: (screen: Screen) => Shown) => {
    const more = next(at.screen);
    at = { screen: more.screen, inks: [...at.inks, ...more.inks] };
  };
  for (const message of recent) then((s) => showMessage(s, message));
  then((s) => ({ screen: s, inks: noticeChanges([], chat?.notices ?? []) }));
  if (preview !== null) then((s) => showPreview(s, screen.transcript));
  if (queue.length > 0) then((s) => showQueue(s, []));
  if (error !== null) then((s) => showError(s, error));
  if (actions !== null) then((s) => showActions(s));
  return at;
}

function showMessage(screen: Screen, message: Message): Shown {
  if (screen.shown.has(message.id)) return { screen, inks: [] };
  const next = { ...screen, shown: new Set([...screen.shown, message.id]) };
  if (message.role === "user") return showSaid(next, message);
  const pieces = piecesOf(message.parts);
  const finish = finishTexts[message.finish_reason ?? "stop"];
  const end: Ink[] = [{ kind: "break" }, ...(finish === null ? [] : [notice(finish)])];
  const absorbs = screen.episode !== null && sameEpisode(screen.episode, message.episode);
  const done = { ...next, ...(absorbs ? noReply : {}) };
  if (!absorbs || screen.printed.length === 0)
    return { screen: done, inks: [...inksOf(pieces), ...end] };
  const rest = continuation(screen.printed, pieces);
  if (rest !== null) return { screen: done, inks: [...rest, ...end] };
  const instead: Ink[] = [{ kind: "break" }, notice("(what was kept differs from the above)")];
  return { screen: done, inks: [...instead, ...inksOf(pieces), ...end] };
}

function showSaid(screen: Screen, message: Message): Shown {
  if (message.client_id !== null && screen.typed.has(message.client_id)) {
    return { screen: { ...screen, typed: without(screen.typed, message.client_id) }, inks: [] };
  }
  return { screen, inks: [{ kind: "break" }, { kind: "user", text: plainText(message) }] };
}

function showPreview(screen: Screen, was: Transcript): Shown {
  const { preview } = screen.transcript;
  if (preview === null) return { screen, inks: [] };
  const inks: Ink[] = [];
  let { printed } = screen;
  if (screen.episode !== null && !sameEpisode(screen.episode, preview)) {
    if (printed.length > 0) inks.push({ kind: "break" }, notice(startedAgain));
    printed = [];
  }
  const wanted = piecesOf(preview.parts);
  const more = continuation(printed, wanted);
  // Where it cannot be written on, its message will settle it.
  if (more !== null) {
    inks.push(...more);
    printed = wanted;
  }
  if (isCompacting(preview) && !isCompacting(was.preview)) inks.push(notice(compacting));
  if (preview.truncated && was.preview?.truncated !== true) {
    inks.push(notice("(a long reply: the rest appears when it is finished)"));
  }
  const { history_version, generation_attempt } = preview;
  return { screen: { ...screen, episode: { history_version, generation_attempt }, printed }, inks };
}

/** The server says so where a tool says how far it is. */
function isCompacting(preview: Transcript["preview"]): boolean {
  return Object.values(preview?.progress ?? {}).some(
    (progress) =>
      typeof progress === "object" &&
      progress !== null &&
      "tool_name" in progress &&
      progress.tool_name === compactionTool,
  );
}

const noReply = { episode: null, printed: [] } as const;
function dropReply(screen: Screen, reason: PreviewResetReason): Shown {
  if (screen.printed.length === 0) return { screen: { ...screen, ...noReply }, inks: [] };
  const why = resetTexts[reason];
  return {
    screen: { ...screen, ...noReply },
    inks: [{ kind: "break" }, ...(why === null ? [] : [notice(why)])],
  };
}

/** After a reset of everything the same messages come again: they stand on the screen already. */
function dropHistory(screen: Screen, after: number | undefined): Shown {
  if (after === undefined) return { screen, inks: [] };
  const shown = new Set([...screen.shown].filter((id) => id <= after));
  if (shown.size === screen.shown.size) return { screen, inks: [] };
  return {
    screen: { ...screen, shown },
    inks: [{ kind: "break" }, notice("(the chat was edited: what follows replaces its end)")],
  };
}

function showQueue(screen: Screen, was: readonly QueuedMessage[]): Shown {
  const { queue } = screen.transcript;
  const known = new Set(was.map((queued) => queued.id));
  const inks: Ink[] = [];
  for (const [at, queued] of queue.entries()) {
    if (!known.has(queued.id)) inks.push(notice(`queued ${queuedLine(queued, at)}`));
  }
  // By the time it enters the chat, what was typed is far up the screen.
  let { typed } = screen;
  for (const { client_id } of queue) if (client_id !== null) typed = without(typed, client_id);
  return { screen: { ...screen, typed }, inks };
}

function showStatus(screen: Screen, was: Transcript): Shown {
  const { status } = screen.transcript;
  if (status === null) return { screen, inks: [] };
  const inks: Ink[] = [];
  if (status.status !== was.status?.status) {
    if (status.status === "interrupting") inks.push(notice("stopping…"));
    if (status.status === "waiting") inks.push({ kind: "break" });
  }
  const reason = status.waiting?.reason;
  if (status.waiting !== undefined && reason !== was.status?.waiting?.reason) {
    const missing = status.waiting.missing ?? "what it needs";
    const text = reason === "capacity" ? "for capacity" : `for a server that has ${missing}`;
    inks.push(notice(`waiting ${text}`));
  }
  if (was.status !== null && status.archived !== was.status.archived) {
    inks.push(notice(status.archived ? "archived" : "no longer archived"));
  }
  const error = status.status === "error" ? screen.error : null;
  const actions = status.status === "requires_action" ? screen.actions : new Set<string>();
  const ended = isBusy(screen.transcript) ? false : screen.ended || isBusy(was);
  return { screen: { ...screen, error, actions, ended }, inks };
}

function showError(screen: Screen, error: ChatError): Shown {
  const text = errorText(error);
  if (screen.error === text) return { screen, inks: [] };
  const ink: Ink = error.kind === "stopped" ? notice(text) : { kind: "error", text };
  return { screen: { ...screen, error: text }, inks: [{ kind: "break" }, ink] };
}

function showActions(screen: Screen): Shown {
  const inks: Ink[] = [];
  const actions = new Set(screen.actions);
  for (const action of screen.transcript.actions?.actions ?? []) {
    if (actions.has(action.tool_call_id)) continue;
    actions.add(action.tool_call_id);
    const call = `${action.tool_name}(${oneLine(JSON.stringify(action.input))})`;
    const how =
      action.kind === "approval"
        ? `${call} waits for an approval${until(action.deadline_at)}: /approve ${action.tool_call_id} or /deny ${action.tool_call_id} REASON`
        : `${call} waits for its result: /tool ${action.tool_call_id} JSON`;
    inks.push(notice(how));
  }
  return { screen: { ...screen, actions }, inks };
}

function until(deadline: string | null): string {
  return deadline === null ? "" : ` until ${deadline.slice(0, 16).replace("T", " ")} UTC`;
}

function showChat(screen: Screen, was: Transcript): Shown {
  const { chat } = screen.transcript;
  const inks = chatChanges(was, screen.transcript);
  const before = was.chat?.usage.cost_usd_micros ?? 0;
  if (chat === null || !screen.ended || chat.usage.cost_usd_micros <= before) {
    return { screen, inks };
  }
  const spent = notice(`(this chat so far: ${usageText(chat.usage)})`);
  return { screen: { ...screen, ended: false }, inks: [...inks, spent] };
}

function chatChanges(was: Transcript, now: Transcript): Ink[] {
  if (was.chat === null || now.chat === null) return [];
  const inks: Ink[] = [];
  if (now.chat.title !== was.chat.title) inks.push(notice(`title: ${now.chat.title ?? "none"}`));
  if (now.chat.model !== was.chat.model) inks.push(notice(`model: ${now.chat.model}`));
  return [...inks, ...noticeChanges(was.chat.notices, now.chat.notices)];
}

function noticeChanges(was: readonly ChatNotice[], now: readonly ChatNotice[]): Ink[] {
  const without = (some: readonly ChatNotice[], others: readonly ChatNotice[]): ChatNotice[] =>
    some.filter(({ server }) => others.every((other) => other.server !== server));
  return [
    ...without(now, was).map((begun) => notice(noticeText(begun))),
    ...without(was, now).map((over) => notice(noticeOverText(over))),
  ];
}

/** Messages once more, for `/history`. */
export function historyInks(messages: readonly Message[]): Ink[] {
  return messages.flatMap((message): Ink[] =>
    message.role === "user"
      ? [{ kind: "user", text: plainText(message) }]
      : [...inksOf(piecesOf(message.parts)), { kind: "break" }],
  );
}

function notice(text: string): Ink {
  return { kind: "notice", text };
}

function sameEpisode(a: EpisodeName, b: EpisodeName | null): boolean {
  return (
    b !== null &&
    a.history_version === b.history_version &&
    a.generation_attempt === b.generation_attempt
  );
}

function without(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  if (!ids.has(id)) return ids;
  const rest = new Set(ids);
  rest.delete(id);
  return rest;
}
