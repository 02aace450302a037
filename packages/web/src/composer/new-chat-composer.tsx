import type { ReactNode } from "react";

/** Begins a chat with its first message, and goes there. */
export function NewChatComposer(): ReactNode {
  return <div className="h-24 rounded-xl border border-line-strong bg-surface shadow-card" />;
}
