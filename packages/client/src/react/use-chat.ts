import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { emptyChatState, type ChatState } from "../stores/chat-state.ts";
import { useStores } from "./provider.ts";

/** What a chat's store gives to who only reads it. Outside React: `storesOf(client).chat(chatId)`. */
export interface ChatStoreView {
  readonly getState: () => ChatState;
  /** Follows the chat for as long as somebody is subscribed. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** The store itself, for subscriptions that are not to render anything. Stable for as long as client and chat are. */
export function useChatStore(chatId: string): ChatStoreView {
  const stores = useStores();
  return useMemo(
    () => ({
      // Looked up at each call: a store that nobody has subscribed to yet may have been forgotten.
      getState: () => stores.chat(chatId).getState(),
      subscribe: (listener) => stores.chat(chatId).subscribe(listener),
    }),
    [stores, chatId],
  );
}

export interface ChatControls {
  /** Brings one page of older messages, while `transcript.hasMore`. */
  readonly loadOlder: () => Promise<void>;
  /** Tries again once the connection has ended for good: after a new token is there, say. */
  readonly reconnect: () => void;
}

/** What can be done with a chat's store. Renders nothing, and is stable for as long as client and chat are. */
export function useChatControls(chatId: string): ChatControls {
  const stores = useStores();
  return useMemo(
    () => ({
      loadOlder: () => stores.chat(chatId).loadOlder(),
      reconnect: () => stores.chat(chatId).reconnect(),
    }),
    [stores, chatId],
  );
}

export interface UseChat extends ChatState, ChatControls {}

/** All that is known of a chat, live. Renders with every change: for parts of it use `useChatValue`. */
export function useChat(chatId: string): UseChat {
  const controls = useChatControls(chatId);
  const { getState, subscribe } = useChatStore(chatId);
  const state = useSyncExternalStore(subscribe, getState, () => emptyChatState);
  return useMemo(() => ({ ...state, ...controls }), [state, controls]);
}

/**
 * A part of what is known of a chat. Renders only when what `select` gives is another value, by `equal`: by identity where
 * none is given, so a `select` that builds an object or a list wants an `equal` of its own.
 */
export function useChatValue<T>(
  chatId: string,
  select: (state: ChatState) => T,
  equal: (a: T, b: T) => boolean = Object.is,
): T {
  const { getState, subscribe } = useChatStore(chatId);
  const rendered = useRef<{ value: T } | null>(null);
  const [snapshot, serverSnapshot] = useMemo(() => {
    let last: { state: ChatState; value: T } | null = null;
    const of = (state: ChatState): T => {
      if (last?.state === state) return last.value;
      const value = select(state);
      const before = last ?? rendered.current;
      const kept = before !== null && equal(before.value, value) ? before.value : value;
      last = { state, value: kept };
      return kept;
    };
    return [() => of(getState()), () => of(emptyChatState)];
  }, [getState, select, equal]);
  const value = useSyncExternalStore(subscribe, snapshot, serverSnapshot);
  useEffect(() => {
    rendered.current = { value };
  }, [value]);
  return value;
}
