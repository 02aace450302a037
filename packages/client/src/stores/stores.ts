import type { Client } from "../client.ts";
import { ChatStore } from "./chat-store.ts";
import { filterKey, type ChatListFilter } from "./list-filter.ts";
import { ListStore } from "./list-store.ts";
import { ModelsStore } from "./models-store.ts";
import { WatchStore } from "./watch-store.ts";

/** Streams are kept for so long after their last listener: a route that is left and entered again costs nothing. */
const lingerMsDefault = 5_000;

/** Chats and lists that nobody looks at and that are kept, so that coming back shows them at once. */
const idleStoresMax = 16;

/** The stores of one client: at most one of each chat and each list. */
export class Stores {
  readonly client: Client;
  readonly models: ModelsStore;
  readonly #watch: WatchStore;
  /** The one used longest ago first. */
  readonly #chats = new Map<string, ChatStore>();
  readonly #lists = new Map<string, ListStore>();

  constructor(client: Client) {
    this.client = client;
    this.models = new ModelsStore(client, lingerMsDefault);
    this.#watch = new WatchStore(client, lingerMsDefault);
  }

  /** Asks for nothing before somebody listens, so a server that renders may call it. */
  chat(chatId: string): ChatStore {
    return this.#chats.get(chatId) ?? this.#newChat(chatId);
  }

  chats(filter: ChatListFilter = {}): ListStore {
    const key = filterKey(filter);
    let store = this.#lists.get(key);
    if (store === undefined) {
      const { client } = this;
      store = new ListStore({ client, watch: this.#watch, filter, lingerMs: lingerMsDefault });
      this.#lists.set(key, store);
      evict(this.#lists);
    }
    return store;
  }

  /** Ends every stream and forgets everything: after signing out, say. */
  close(): void {
    for (const store of [...this.#chats.values(), ...this.#lists.values()]) store.close();
    this.#watch.close();
    this.models.close();
    this.#chats.clear();
    this.#lists.clear();
  }

  #newChat(chatId: string): ChatStore {
    const store: ChatStore = new ChatStore({
      client: this.client,
      chatId,
      lingerMs: lingerMsDefault,
      onUsed: (one) => this.#used(one),
    });
    this.#chats.set(chatId, store);
    evict(this.#chats);
    return store;
  }

  #used(store: ChatStore): void {
    const held = this.#chats.get(store.chatId);
    if (held !== undefined && held !== store) return;
    this.#chats.delete(store.chatId);
    this.#chats.set(store.chatId, store);
    evict(this.#chats);
  }
}

function evict(stores: Map<string, { readonly isNeeded: boolean }>): void {
  const idle = [...stores].filter(([, store]) => !store.isNeeded);
  for (const [key] of idle.slice(0, -idleStoresMax)) stores.delete(key);
}

const byClient = new WeakMap<Client, Stores>();

/** The stores of a client, made when they are first asked for. */
export function storesOf(client: Client): Stores {
  let stores = byClient.get(client);
  if (stores === undefined) {
    stores = new Stores(client);
    byClient.set(client, stores);
  }
  return stores;
}
