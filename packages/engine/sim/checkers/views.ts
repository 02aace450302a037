import type { Transcript } from "@parley/client";
import type { ChatEvent, EpisodeName } from "@parley/protocol";
import type { Watcher } from "../actors/watcher.ts";
import type { Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

interface View {
  /** The newest revision that was seen of each message, since history was last reset. */
  readonly revisions: Map<number, number>;
  /** The next event must bring what replaces the preview. */
  superseded: boolean;
  /** Whose parts came last, and how far. */
  episode: string | null;
  seq: number;
}

function nameOf({ history_version, generation_attempt }: EpisodeName): string {
  return `${history_version}/${generation_attempt}`;
}

type EventOf<T extends ChatEvent["type"]> = Extract<ChatEvent, { type: T }>["data"];

/** Invariants 1 and 5, as one subscriber sees them. */
export class ViewChecker {
  readonly #verdict: Verdict;
  readonly #mirror: Mirror;
  readonly #views = new WeakMap<Watcher, View>();

  constructor(mirror: Mirror, verdict: Verdict) {
    this.#mirror = mirror;
    this.#verdict = verdict;
  }

  onOpen(watcher: Watcher): void {
    const known = watcher.transcript.messages.map(({ id, revision }) => [id, revision] as const);
    const { preview } = watcher.transcript;
    this.#views.set(watcher, {
      revisions: new Map(known),
      superseded: false,
      episode: preview === null ? null : nameOf(preview),
      seq: preview?.seq ?? 0,
    });
  }

  onEvent(watcher: Watcher, event: ChatEvent, before: Transcript): void {
    const view = this.#views.get(watcher);
    if (!view) return;
    if (view.superseded) {
      view.superseded = false;
      this.#parts(
        watcher,
        event.type === "message_part" ||
          event.type === "preview_snapshot" ||
          event.type === "history_reset",
        `the preview was superseded, and ${event.type} came`,
      );
    }
    switch (event.type) {
      case "message":
        return this.#message(watcher, view, event.data);
      case "history_reset":
        for (const id of view.revisions.keys()) {
          if (event.data.after === undefined || id > event.data.after) view.revisions.delete(id);
        }
        if (event.data.after === undefined) view.episode = null;
        return;
      case "message_part":
        return this.#part(watcher, view, event.data);
      case "preview_snapshot":
        return this.#snapshot(watcher, view, event.data);
      case "preview_reset":
        return this.#reset(watcher, view, event.data, before);
      default:
    }
  }

  #message(watcher: Watcher, view: View, { id, revision }: EventOf<"message">): void {
    const seen = view.revisions.get(id);
    this.#verdict.check(
      "delivery",
      seen === undefined || revision > seen,
      () => `${watcher.name} was given revision ${revision} of message ${id} after ${seen}`,
    );
    view.revisions.set(id, revision);
    const committed = this.#mirror.everCommitted.get(id);
    this.#verdict.check(
      "delivery",
      committed !== undefined && committed.revision >= revision && committed.visibility !== "model",
      () =>
        `${watcher.name} was given message ${id} (revision ${revision}), which is not committed so`,
    );
  }

  #part(watcher: Watcher, view: View, data: EventOf<"message_part">): void {
    const { seq } = data;
    const name = nameOf(data);
    const expected = view.episode === name ? view.seq + 1 : 1;
    this.#parts(watcher, seq === expected, `part ${seq} of ${name} came where ${expected} belongs`);
    this.#parts(watcher, !watcher.transcript.desync, "a live part was lost");
    view.episode = name;
    view.seq = seq;
  }

  #snapshot(watcher: Watcher, view: View, data: EventOf<"preview_snapshot">): void {
    const name = nameOf(data);
    const isOlder = view.episode === name && data.seq < view.seq;
    this.#parts(watcher, !isOlder, `a snapshot as of ${data.seq} came after ${view.seq}`);
    view.episode = name;
    view.seq = data.seq;
  }

  /** Text is dropped only when something replaces it, or its fate is committed. */
  #reset(
    watcher: Watcher,
    view: View,
    { reason }: EventOf<"preview_reset">,
    { preview }: Transcript,
  ): void {
    if (preview === null || preview.parts.length === 0) return;
    const chat = this.#mirror.chats.get(watcher.chatId);
    const { history_version, generation_attempt } = preview;
    if (reason === "superseded") {
      // Where history has moved on, what became of the text is committed: nothing has to take its place.
      view.superseded = chat?.history_version === history_version;
      return;
    }
    this.#parts(
      watcher,
      chat === undefined ||
        chat.history_version > history_version ||
        chat.generation_attempt > generation_attempt ||
        chat.status !== "running",
      `the preview was dropped (${reason}) while its attempt runs`,
    );
  }

  #parts(watcher: Watcher, isTrue: boolean, what: string): void {
    this.#verdict.check("parts", isTrue, () => `${watcher.name} of ${watcher.chatId}: ${what}`);
  }
}
