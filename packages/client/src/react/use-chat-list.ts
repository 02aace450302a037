import { useMemo, useSyncExternalStore } from "react";
import { filterKey, type ChatListFilter } from "../stores/list-filter.ts";
import { emptyListState, type ChatListState } from "../stores/list-state.ts";
import { useStores } from "./provider.ts";

export interface UseChatList extends ChatListState {
  /** Brings the next page, while `hasMore`. */
  readonly loadMore: () => Promise<void>;
  /** Tries again after `error`. */
  readonly reconnect: () => void;
}

const everyChat: ChatListFilter = {};

/** The chats of whoever asks, the one with the newest message first, live. Lists that ask for the same share everything. */
export function useChatList(filter: ChatListFilter = everyChat): UseChatList {
  const stores = useStores();
  const key = filterKey(filter);
  const list = useMemo(
    () => ({
      getState: () => stores.chats(filter).getState(),
      subscribe: (listener: () => void) => stores.chats(filter).subscribe(listener),
      loadMore: () => stores.chats(filter).loadMore(),
      reconnect: () => stores.chats(filter).reconnect(),
    }),
    // The key stands for the filter, which may be written anew with each render.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
    [stores, key],
  );
  const state = useSyncExternalStore(list.subscribe, list.getState, () => emptyListState);
  return useMemo(
    () => ({ ...state, loadMore: list.loadMore, reconnect: list.reconnect }),
    [state, list],
  );
}
