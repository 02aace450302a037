import type { Chat, WatchEvent } from "@parley/protocol";
import type { Rng } from "../rng.ts";
import type { Device } from "./device.ts";

type Chats = ReadonlyMap<string, Chat>;

interface Place {
  readonly cursor: string;
  readonly chats: Chats;
}

/** How long a list is looked at, and away from, before the next visit. */
const visitMs = { open: 15_000, closed: 3_000 };

const placesMax = 20;

export interface ListListener {
  onListEvent(watcher: ListWatcher, event: WatchEvent, before: Chats): void;
}

/** Somebody's list of chats, kept open for a while at a time; each visit goes on from a place seen before, not always the last. */
export class ListWatcher {
  readonly name: string;
  readonly ownerId: string;
  readonly device: Device;
  readonly #rng: Rng;
  readonly #listener: ListListener;
  #chats: Chats = new Map();
  #places: Place[] = [];
  #ready = false;
  #stop: AbortController | null = null;
  #resting = false;

  constructor(name: string, ownerId: string, device: Device, listener: ListListener, rng: Rng) {
    this.name = name;
    this.ownerId = ownerId;
    this.device = device;
    this.#listener = listener;
    this.#rng = rng;
  }

  get chats(): Chats {
    return this.#chats;
  }

  get ready(): boolean {
    return this.#ready;
  }

  start(): void {
    this.device.process.deliver(() => void this.#visit());
  }

  /** Stays open from now on: it is looked at until the end. */
  rest(): void {
    this.#resting = true;
  }

  close(): void {
    this.#resting = false;
    const stop = this.#stop;
    this.#stop = null;
    this.device.process.deliver(() => stop?.abort());
  }

  async #visit(): Promise<void> {
    const { clock } = this.device.process;
    const place = this.#places.length === 0 ? undefined : this.#rng.pick(this.#places.slice(-5));
    this.#chats = place?.chats ?? new Map();
    this.#places = place === undefined ? [] : [place];
    this.#ready = false;
    const stop = new AbortController();
    this.#stop = stop;
    const reading = this.#read(place?.cursor, stop.signal);
    await clock.sleep(this.#rng.exponential(visitMs.open), "list visit", stop.signal);
    while (this.#resting && !stop.signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(visitMs.closed, "list rest", stop.signal);
    }
    if (this.#stop !== stop) return;
    stop.abort();
    await reading;
    await clock.sleep(this.#rng.exponential(visitMs.closed), "list away");
    if (this.#stop === stop) await this.#visit();
  }

  async #read(cursor: string | undefined, signal: AbortSignal): Promise<void> {
    const transport = this.#rng.pick(["sse", "websocket"] as const);
    const options = { signal, transport, ...(cursor === undefined ? {} : { cursor }) };
    try {
      for await (const event of this.device.client.watch(options)) {
        if (signal.aborted) return;
        const before = this.#chats;
        this.#chats = fold(before, event);
        if (event.type === "ready") this.#ready = true;
        this.#listener.onListEvent(this, event, before);
        if (event.cursor === undefined) continue;
        this.#places.push({ cursor: event.cursor, chats: this.#chats });
        if (this.#places.length > placesMax) this.#places.shift();
      }
    } catch {
      // Refused for a while: the next visit tries again.
    }
  }
}

/** As docs/protocol.md says: replace by id, never by older versions. */
function fold(chats: Chats, event: WatchEvent): Chats {
  if (event.type === "list_reset") return new Map();
  const next = new Map(chats);
  if (event.type === "chat_deleted") next.delete(event.data.id);
  if (event.type === "chat") {
    const held = chats.get(event.data.id);
    if (held === undefined || !isOlder(event.data, held)) next.set(event.data.id, event.data);
  }
  return next;
}

function isOlder(a: Chat, b: Chat): boolean {
  return a.snapshot_version < b.snapshot_version || a.metadata_version < b.metadata_version;
}
