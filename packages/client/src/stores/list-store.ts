import type { Chat, ListChatsAnswer } from "@parley/protocol";
import type { Client } from "../client.ts";
import type { Timer } from "../runtime.ts";
import { Audience } from "./audience.ts";
import { isSearch, matches, queryOf, type ChatListFilter } from "./list-filter.ts";
import {
  emptyListState,
  isBeyond,
  missingFrom,
  noPages,
  withChats,
  withoutChats,
  type ChatListState,
  type Pages,
} from "./list-state.ts";
import type { WatchChange, WatchStore, WatchView } from "./watch-store.ts";

export interface ListStoreOptions {
  client: Client;
  watch: WatchStore;
  filter: ChatListFilter;
  lingerMs: number;
}

const pageChats = 50;
const pageChatsMax = 100;

/** A search, or a list of sub-agents, is asked for again this long after something has happened that may concern it. */
const refreshMs = 1_000;

/** Sub-agents are not in the stream of the list: theirs are looked at this often while they are shown. */
const subAgentsPollMs = 4_000;

/** Pages that a list is brought up to date with at once; those after them are forgotten and come again by `loadMore`. */
const refreshPagesMax = 5;

/** One list of chats: pages over REST, kept up to date by the list's stream while somebody listens. */
export class ListStore {
  readonly #options: ListStoreOptions;
  readonly #audience: Audience;
  #leaveWatch: (() => void) | null = null;
  #state: ChatListState = emptyListState;
  #pages: Pages = noPages;
  /** Counts what has replaced the pages: an answer to what was asked before is not for them. */
  #loads = 0;
  #more: Promise<void> | null = null;
  #refresh: Timer | null = null;

  constructor(options: ListStoreOptions) {
    const { client, lingerMs } = options;
    this.#options = options;
    this.#audience = new Audience({
      runtime: client.runtime,
      lingerMs,
      onFirst: () => this.#follow(),
      onGone: () => this.#unfollow(),
    });
  }

  readonly getState = (): ChatListState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => this.#audience.subscribe(listener);

  get isNeeded(): boolean {
    return this.#audience.isOpen;
  }

  /** The next page; does nothing where there is none. Calls while one is on its way share it. */
  async loadMore(): Promise<void> {
    this.#more ??= this.#loadMore().finally(() => {
      this.#more = null;
    });
    await this.#more;
  }

  /** Tries again after the list's stream has ended for good, or its pages could not be read. */
  reconnect(): void {
    this.#options.watch.reconnect();
    if (this.#audience.isOpen && this.#state.error !== null) void this.#reload();
  }

  close(): void {
    this.#audience.close();
  }

  #follow(): void {
    const { watch, filter } = this.#options;
    this.#leaveWatch = watch.follow({
      changed: (change) => this.#changed(change),
      connection: (view) => this.#connection(view),
    });
    this.#connection(watch.view);
    if (filter.parent !== undefined) this.#refreshIn(subAgentsPollMs);
    void this.#reload();
  }

  #unfollow(): void {
    this.#leaveWatch?.();
    this.#leaveWatch = null;
    this.#refresh?.cancel();
    this.#refresh = null;
    this.#loads += 1;
  }

  /** Reads as much as is shown, at least one page. Never rejects. */
  async #reload(): Promise<void> {
    const load = ++this.#loads;
    const wanted = this.#pages.chats.length;
    let chats: Chat[] = [];
    let next: string | null = null;
    try {
      for (let page = 0; page < refreshPagesMax; page++) {
        const limit = Math.min(pageChatsMax, Math.max(pageChats, wanted - chats.length));
        // oxlint-disable-next-line no-await-in-loop
        const answer: ListChatsAnswer = await this.#ask(limit, next);
        if (load !== this.#loads) return;
        chats = [...chats, ...answer.chats];
        next = answer.next_cursor;
        if (next === null || chats.length >= wanted) break;
      }
    } catch (error) {
      if (load === this.#loads) this.#show({ error: errorOf(error) });
      return;
    }
    const ids = new Set(chats.map(({ id }) => id));
    const kept = withoutChats(this.#pages.chats, ({ id }) => !ids.has(id));
    this.#pages = { chats: this.#merged(kept, chats), next };
    this.#show({ ready: true, error: null });
  }

  async #loadMore(): Promise<void> {
    const { next } = this.#pages;
    if (next === null) return;
    const load = this.#loads;
    this.#show({ loadingMore: true });
    try {
      const answer = await this.#ask(pageChats, next);
      if (load !== this.#loads) return;
      const chats = this.#merged(this.#pages.chats, answer.chats);
      this.#pages = { chats, next: answer.next_cursor };
    } finally {
      this.#show({ loadingMore: false });
    }
  }

  #ask(limit: number, cursor: string | null): Promise<ListChatsAnswer> {
    const { client, filter } = this.#options;
    return client.listChats({
      ...queryOf(filter),
      limit,
      ...(cursor === null ? {} : { cursor }),
    });
  }

  /** A page may be older than what the stream has told meanwhile. */
  #merged(chats: readonly Chat[], page: readonly Chat[]): readonly Chat[] {
    const { watch, filter } = this.#options;
    const newest = page.flatMap((chat) => watch.newest(chat) ?? []);
    return withChats(
      chats,
      newest.filter((chat) => matches(chat, filter)),
    );
  }

  #changed(change: WatchChange): void {
    const { filter } = this.#options;
    if (change.stale) void this.#reload();
    if (filter.parent !== undefined) {
      if (change.chats.some(({ chat }) => chat.id === filter.parent)) this.#refreshIn(refreshMs);
      return;
    }
    let { chats } = this.#pages;
    const held = new Set(chats.map(({ id }) => id));
    const deleted = new Set(change.deleted);
    const left = new Set<string>();
    const told: Chat[] = [];
    for (const { chat, before } of change.chats) {
      if (!matches(chat, filter)) left.add(chat.id);
      else if (held.has(chat.id)) told.push(chat);
      else if (isSearch(filter)) {
        const says =
          before?.title !== chat.title || before.turn_message_id !== chat.turn_message_id;
        if (says && this.#state.ready && change.window === null) this.#refreshIn(refreshMs);
      } else if (this.#state.ready && !isBeyond(this.#pages, chat)) told.push(chat);
    }
    chats = withoutChats(chats, ({ id }) => deleted.has(id) || left.has(id));
    chats = withChats(chats, told);
    if (change.window !== null) chats = withoutChats(chats, missingFrom(change.window, chats));
    if (chats === this.#pages.chats) return;
    this.#pages = { ...this.#pages, chats };
    this.#show({});
  }

  #connection({ connection, reconnectAt, ended }: WatchView): void {
    const { error, ready, connection: before } = this.#state;
    this.#show({ connection, reconnectAt, ...(ended === null ? {} : { error: ended }) });
    const cameBack = connection === "live" && before !== "live";
    if (cameBack && (error !== null || (before === "reconnecting" && !ready))) void this.#reload();
  }

  #refreshIn(ms: number): void {
    this.#refresh ??= this.#options.client.runtime.timer(ms, "list refresh", () => {
      this.#refresh = null;
      if (this.#options.filter.parent !== undefined) this.#refreshIn(subAgentsPollMs);
      void this.#reload();
    });
  }

  #show(change: Partial<ChatListState>): void {
    const { chats, next } = this.#pages;
    const state = { ...this.#state, chats, hasMore: next !== null, ...change };
    const keys = Object.keys(state) as (keyof ChatListState)[];
    if (keys.every((key) => Object.is(state[key], this.#state[key]))) return;
    this.#state = state;
    this.#audience.notify();
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
