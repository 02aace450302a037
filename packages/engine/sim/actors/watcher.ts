import {
  applyEvent,
  emptyTranscript,
  ParleyApiError,
  StreamEndedError,
  type Transcript,
} from "@parley/client";
import type { ChatEvent } from "@parley/protocol";
import type { Rng } from "../rng.ts";
import type { Device } from "./device.ts";

/** Places in a stream to which a client that comes back may return. */
const placesMax = 40;

interface Place {
  readonly cursor: string;
  readonly transcript: Transcript;
}

/** What the checkers hear of a subscription. */
export interface WatcherListener {
  /** It begins to read: with the transcript that it had as of its cursor, or with nothing. */
  onOpen(watcher: Watcher): void;
  onEvent(watcher: Watcher, event: ChatEvent, before: Transcript): void;
  /** It was refused or ended for good. */
  onEnd(watcher: Watcher, error: unknown): void;
}

/** One open view of a chat: the SDK's subscription and its fold, read at the pace of its user. */
export class Watcher {
  readonly chatId: string;
  readonly device: Device;
  readonly name: string;
  readonly #listener: WatcherListener;
  readonly #rng: Rng;
  #places: Place[] = [];
  #transcript: Transcript = emptyTranscript;
  #stop: AbortController | null = null;
  #ended: string | null = null;
  /** Reads nothing while this is set. */
  sleepy = false;

  constructor(name: string, chatId: string, device: Device, listener: WatcherListener, rng: Rng) {
    this.name = name;
    this.chatId = chatId;
    this.device = device;
    this.#listener = listener;
    this.#rng = rng;
  }

  get transcript(): Transcript {
    return this.#transcript;
  }

  get open(): boolean {
    return this.#stop !== null;
  }

  /** Why the server ended it for good; null while it may go on. */
  get ended(): string | null {
    return this.#ended;
  }

  /** Begins, or comes back: from where it was, from an older place, or from nothing. */
  start(how: "newest" | "older" | "nothing" = "newest"): void {
    if (this.open || this.#ended !== null) return;
    const place =
      how === "nothing" || this.#places.length === 0
        ? undefined
        : how === "newest"
          ? this.#places.at(-1)
          : this.#rng.pick(this.#places);
    this.#transcript = place?.transcript ?? emptyTranscript;
    this.#places =
      place === undefined ? [] : this.#places.slice(0, this.#places.indexOf(place) + 1);
    const stop = new AbortController();
    this.#stop = stop;
    this.device.process.deliver(() => {
      this.#listener.onOpen(this);
      void this.#read(place?.cursor, stop);
    });
  }

  /** The tab is closed. */
  close(): void {
    const stop = this.#stop;
    this.#stop = null;
    // In its own process, whoever closes it: what a library waits for then is virtual time.
    this.device.process.deliver(() => stop?.abort());
  }

  async #read(cursor: string | undefined, stop: AbortController): Promise<void> {
    const subscription = this.device.client.subscribe(this.chatId, {
      signal: stop.signal,
      // Anew each time: a cursor is good on either.
      transport: this.#rng.pick(["sse", "websocket"] as const),
      ...(cursor === undefined ? {} : { cursor }),
    });
    try {
      for await (const event of subscription) {
        if (stop.signal.aborted) return;
        this.#apply(event);
        while (this.sleepy && !stop.signal.aborted) await this.#nap(stop.signal);
        if (this.#transcript.desync) subscription.resync();
      }
    } catch (error) {
      if (stop.signal.aborted) return;
      const final = error instanceof StreamEndedError || error instanceof ParleyApiError;
      if (final) this.#ended = "code" in error ? String(error.code) : "ended";
      this.#listener.onEnd(this, error);
    } finally {
      if (this.#stop === stop) this.#stop = null;
    }
  }

  async #nap(signal: AbortSignal): Promise<void> {
    await this.device.process.clock.sleep(250, "nap", signal);
  }

  #apply(event: ChatEvent): void {
    const before = this.#transcript;
    this.#transcript = applyEvent(before, event);
    this.#listener.onEvent(this, event, before);
    const { cursor } = event as { cursor?: string };
    if (cursor === undefined) return;
    this.#places.push({ cursor, transcript: this.#transcript });
    if (this.#places.length > placesMax) {
      // The old ones thin out: a client may come back after long.
      this.#places.splice(this.#rng.int(0, placesMax - 2), 1);
    }
  }
}
