export { ParleyProvider, useClient } from "./react/provider.ts";
export {
  useChat,
  useChatControls,
  useChatStore,
  useChatValue,
  type ChatControls,
  type ChatStoreView,
  type UseChat,
} from "./react/use-chat.ts";
export { useChatActions, type ChatActions } from "./react/use-chat-actions.ts";
export { useChatList, type UseChatList } from "./react/use-chat-list.ts";
export { useClientTools } from "./react/use-client-tools.ts";
export { useModels } from "./react/use-models.ts";
export {
  useCreateChat,
  usePendingMessages,
  useSendMessage,
  type PendingMessageActions,
} from "./react/use-send-message.ts";
