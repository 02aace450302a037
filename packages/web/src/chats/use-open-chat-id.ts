import { useRoute } from "wouter";

/** The chat that the page shows; null on other pages. */
export function useOpenChatId(): string | null {
  const [, params] = useRoute("/chats/:id");
  return params?.id ?? null;
}
