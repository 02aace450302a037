import type { CreateChat, CreateChatAnswer, SendMessageAnswer } from "@parley/protocol";
import { useCallback, useMemo } from "react";
import type { OutgoingMessage } from "../stores/pending-sends.ts";
import { useClient, useStores } from "./provider.ts";

/**
 * Sends a message and shows it at once, under `pending`, until the stream shows it. Rejects with what the call throws
 * (`ParleyApiError`, `ParleyNetworkError`); the message then stays in `pending` as failed.
 */
export function useSendMessage(
  chatId: string,
): (message: OutgoingMessage) => Promise<SendMessageAnswer> {
  const stores = useStores();
  return useCallback((message) => stores.chat(chatId).send(message), [stores, chatId]);
}

export interface PendingMessageActions {
  /** Sends a failed message again, under the same name: it cannot arrive twice. */
  readonly retry: (clientId: string) => Promise<void>;
  /** Gives a failed message up. */
  readonly discard: (clientId: string) => void;
}

export function usePendingMessages(chatId: string): PendingMessageActions {
  const stores = useStores();
  return useMemo(
    () => ({
      retry: (clientId) => stores.chat(chatId).retry(clientId),
      discard: (clientId) => stores.chat(chatId).discard(clientId),
    }),
    [stores, chatId],
  );
}

/** Makes a chat by its first message. What the answer says of it is known at once to whoever opens the chat next. */
export function useCreateChat(): (body: CreateChat) => Promise<CreateChatAnswer> {
  const client = useClient();
  const stores = useStores();
  return useCallback(
    async (body) => {
      const answer = await client.createChat(body);
      stores.chat(answer.chat.id).seed(answer.chat, answer.messages);
      return answer;
    },
    [client, stores],
  );
}
