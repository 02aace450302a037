import type { Chat, WatchEvent } from "@parley/protocol";
import type { Client } from "../client.ts";
import type { Connection } from "../subscription/options.ts";
import type { Subscription } from "../subscription/subscription.ts";
import { Audience } from "./audience.ts";
import { connectionView, notConnected, type ConnectionView } from "./connection-state.ts";
import { isNewerChat } from "./list-order.ts";

export interface WatchView extends ConnectionView {
  readonly ended: Error | null;
}

/** What one frame of the list's stream has changed. */
export interface WatchChange {
  /** With what was known of each before; undefined: nothing. */
  readonly chats: readonly { readonly chat: Chat; readonly before: Chat | undefined }[];
  readonly deleted: readonly string[];
  /**
   * A connection has begun with the newest chats, all of which are known now: those of them that a list holds
   * besides are gone. Null: this was no such beginning.
   */
  readonly window: ReadonlySet<string> | null;
  /** The list began anew in mid-connection: pages that were fetched before may hold what is gone. */
  readonly stale: boolean;
}

export interface WatchSink {
  changed(change: WatchChange): void;
  connection(view: WatchView): void;
}

/** The stream of the list, shared by every list of one client, whatever it holds. */
export class WatchStore {
  readonly #client: Client;
  readonly #audience: Audience;
  readonly #sinks = new Set<WatchSink>();
  readonly #known = new Map<string, Chat>();
  readonly #deleted = new Set<string>();
  #subscription: Subscription<WatchEvent> | null = null;
  #cursor: string | undefined;
  #view: WatchView = { ...notConnected, ended: null };
  /** The ids that have come since the connection began with a reset. */
  #window: Set<string> | null = null;
  #connectionReady = false;

  constructor(client: Client, lingerMs: number) {
    this.#client = client;
    this.#audience = new Audience({
      runtime: client.runtime,
      lingerMs,
      onFirst: () => this.#follow(),
      onGone: () => this.#unfollow(),
    });
  }

  get view(): WatchView {
    return this.#view;
  }

  follow(sink: WatchSink): () => void {
    this.#sinks.add(sink);
    const leave = this.#audience.subscribe(() => {});
    return () => {
      this.#sinks.delete(sink);
      leave();
    };
  }

  /** The newest that is known of a chat that a page tells of; null: it has been deleted. */
  newest(chat: Chat): Chat | null {
    if (this.#deleted.has(chat.id)) return null;
    const known = this.#known.get(chat.id);
    return known !== undefined && !isNewerChat(chat, known) ? known : chat;
  }

  /** Tries again after the stream has ended for good. */
  reconnect(): void {
    if (this.#audience.isOpen && this.#view.connection === "ended") this.#follow();
  }

  close(): void {
    this.#audience.close();
  }

  #follow(): void {
    const subscription: Subscription<WatchEvent> = this.#client.watch({
      cursor: this.#cursor,
      onConnection: (connection) => this.#connection(subscription, connection),
    });
    this.#subscription = subscription;
    this.#connectionReady = false;
    this.#show({ ...notConnected, ended: null });
    void this.#read(subscription);
  }

  #unfollow(): void {
    this.#subscription?.close();
    this.#subscription = null;
    this.#show({ ...notConnected, ended: null });
  }

  /** Never rejects. */
  async #read(subscription: Subscription<WatchEvent>): Promise<void> {
    try {
      for await (const events of subscription.batches()) {
        if (this.#subscription !== subscription) return;
        this.#apply(events);
      }
    } catch (error) {
      if (this.#subscription !== subscription) return;
      const ended = error instanceof Error ? error : new Error(String(error));
      this.#show({ connection: "ended", reconnectAt: null, ended });
    }
  }

  #apply(events: readonly WatchEvent[]): void {
    const chats: WatchChange["chats"][number][] = [];
    const deleted: string[] = [];
    let stale = false;
    let window: ReadonlySet<string> | null = null;
    for (const event of events) {
      this.#cursor = event.cursor ?? this.#cursor;
      switch (event.type) {
        case "list_reset":
          if (this.#connectionReady) stale = true;
          else this.#window = new Set();
          break;
        case "chat":
          this.#window?.add(event.data.id);
          if (this.#learn(event.data, chats)) this.#deleted.delete(event.data.id);
          break;
        case "chat_deleted":
          this.#known.delete(event.data.id);
          this.#deleted.add(event.data.id);
          deleted.push(event.data.id);
          break;
        case "ready":
          this.#connectionReady = true;
          window = this.#window;
          this.#window = null;
          break;
        default:
          event satisfies never;
      }
    }
    const change: WatchChange = { chats, deleted, window, stale };
    for (const sink of this.#sinks) sink.changed(change);
  }

  #learn(chat: Chat, chats: WatchChange["chats"][number][]): boolean {
    const before = this.#known.get(chat.id);
    if (before !== undefined && !isNewerChat(chat, before)) return false;
    this.#known.set(chat.id, chat);
    chats.push({ chat, before });
    return true;
  }

  #connection(subscription: Subscription<WatchEvent>, connection: Connection): void {
    // The error that ends it says more, and comes with the reading.
    if (this.#subscription !== subscription || connection.phase === "ended") return;
    if (connection.phase === "connecting") this.#connectionReady = false;
    const view = connectionView(this.#view, connection, this.#client.runtime);
    this.#show({ ...view, ended: null });
  }

  #show(view: WatchView): void {
    this.#view = view;
    for (const sink of this.#sinks) sink.connection(view);
  }
}
