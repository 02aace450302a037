import { applyEvent, emptyTranscript, type Client, type Transcript } from "@parley/client";
import type { ChatEvent, EventData } from "@parley/protocol";

interface Source {
  /** The replica to read from next. */
  any(): { readonly client: Client };
}

/** Events that are remembered for whoever looks into a fault. */
const recentMax = 24;

/**
 * One subscriber for as long as the storm lasts: goes from replica to replica with its cursor, folds what comes, and
 * checks at every event that nothing is missed, doubled or taken back.
 */
export class Screen {
  readonly chatId: string;
  readonly faults: string[] = [];
  transcript: Transcript = emptyTranscript;
  connections = 0;
  parts = 0;
  snapshots = 0;
  resets = 0;
  /** When the first live text of a history version came. */
  readonly firstTextAt = new Map<number, number>();
  readonly #source: Source;
  readonly #onActions: ((actions: EventData<"action_required">) => void) | null;
  readonly #revisions = new Map<number, number>();
  readonly #waiting = new Set<() => void>();
  #episode = "";
  #seq = 0;
  #cursor: string | undefined;
  readonly #recent: string[] = [];
  #close: (() => void) | null = null;
  #closed = false;
  readonly #reading: Promise<void>;

  constructor(
    chatId: string,
    source: Source,
    onActions: ((actions: EventData<"action_required">) => void) | null,
  ) {
    this.chatId = chatId;
    this.#source = source;
    this.#onActions = onActions;
    this.#reading = this.#read();
  }

  /** Leaves the replica that it reads from; goes on elsewhere. */
  hop(): void {
    this.#close?.();
  }

  /** Resolves when it is like that, or false when the time is over. */
  async until(is: (transcript: Transcript) => boolean, withinMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (is(this.transcript)) resolve(true);
    };
    const timer = setTimeout(() => resolve(false), withinMs);
    this.#waiting.add(look);
    look();
    const found = await promise;
    clearTimeout(timer);
    this.#waiting.delete(look);
    return found;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#close?.();
    await this.#reading;
  }

  async #read(): Promise<void> {
    while (!this.#closed) {
      this.connections += 1;
      let opened = false;
      const subscription = this.#source.any().client.subscribe(this.chatId, {
        cursor: this.#cursor,
        onConnection: ({ phase }) => {
          if (phase === "open") opened = true;
          // As a load balancer would have it: the next connection is another replica's.
          else if (phase === "waiting" && (opened || !this.#closed)) subscription.close();
        },
      });
      this.#close = () => subscription.close();
      try {
        // oxlint-disable-next-line no-await-in-loop
        for await (const event of subscription) this.#on(event);
      } catch (error) {
        this.faults.push(`the stream ended: ${String(error)}`);
        return;
      }
      // oxlint-disable-next-line no-await-in-loop
      if (!opened) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  #on(event: ChatEvent): void {
    if (this.#closed) return;
    const wasLost = this.transcript.desync;
    const before = this.transcript.preview;
    const faults = this.faults.length;
    this.#check(event);
    this.transcript = applyEvent(this.transcript, event);
    if (this.transcript.desync && !wasLost) this.faults.push("the client lost its place");
    this.#recent.push(`${this.connections}: ${briefOf(event)}`);
    if (this.#recent.length > recentMax) this.#recent.shift();
    if (this.faults.length > faults) {
      const preview = before && { ...before, parts: before.parts.length };
      this.faults.push(`after ${this.#recent.join("; ")}, with ${JSON.stringify(preview)}`);
    }
    this.#cursor = event.cursor ?? this.#cursor;
    if (event.type === "action_required") this.#onActions?.(event.data);
    for (const look of this.#waiting) look();
  }

  #check(event: ChatEvent): void {
    switch (event.type) {
      case "history_reset":
        this.resets += 1;
        this.#forgetAfter(event.data.after);
        return;
      case "message": {
        const { id, revision } = event.data;
        const known = this.#revisions.get(id) ?? 0;
        if (revision <= known)
          this.faults.push(`message ${id}: revision ${revision} after ${known}`);
        this.#revisions.set(id, revision);
        return;
      }
      case "message_part":
      case "preview_snapshot":
        return this.#checkText(event);
      default:
    }
  }

  #forgetAfter(after: number | undefined): void {
    for (const id of this.#revisions.keys()) {
      if (after === undefined || id > after) this.#revisions.delete(id);
    }
    if (after === undefined) this.#episode = "";
  }

  #checkText({
    type,
    data,
  }: Extract<ChatEvent, { type: "message_part" | "preview_snapshot" }>): void {
    const { history_version, generation_attempt, seq } = data;
    const episode = `${history_version}/${generation_attempt}`;
    const last = episode === this.#episode ? this.#seq : 0;
    if (type === "message_part") {
      this.parts += 1;
      if (seq !== last + 1) this.faults.push(`episode ${episode}: part ${seq} after ${last}`);
    } else {
      this.snapshots += 1;
      if (seq <= last) this.faults.push(`episode ${episode}: snapshot ${seq} after ${last}`);
    }
    this.#episode = episode;
    this.#seq = seq;
    if (!this.firstTextAt.has(history_version)) {
      this.firstTextAt.set(history_version, performance.now());
    }
  }
}

function briefOf({ type, data }: ChatEvent): string {
  if (type === "message") {
    const { id, revision, role, episode } = data;
    const absorbs = episode && `${episode.history_version}/${episode.generation_attempt}`;
    return `message ${id}@${revision} ${role} ${absorbs}`;
  }
  if (type === "message_part" || type === "preview_snapshot") {
    return `${type} ${data.history_version}/${data.generation_attempt}/${data.seq}`;
  }
  if (type === "status") return `status ${data.status}`;
  if (type === "preview_reset" || type === "history_reset")
    return `${type} ${JSON.stringify(data)}`;
  return type;
}
