import type { ReactNode } from "react";

/** One chat: its transcript, live, and the composer under it. */
export function ConversationPage({ chatId }: { chatId: string }): ReactNode {
  return <p className="p-6 text-ink-muted">Chat {chatId}</p>;
}
