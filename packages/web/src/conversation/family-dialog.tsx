import { useChatList } from "@parley/client/react";
import type { Chat } from "@parley/protocol";
import { Bot } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { Dialog } from "../ui/dialog.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf } from "../ui/toast-store.ts";

const statuses: Record<Chat["status"], string> = {
  waiting: "done",
  running: "working",
  interrupting: "stopping",
  requires_action: "waits for you",
  error: "failed",
};

/** The sub-agents of a chat, each a chat that can be opened. */
export function FamilyDialog({
  chatId,
  onClose,
}: {
  chatId: string;
  onClose: () => void;
}): ReactNode {
  const { chats, ready, error } = useChatList({ parent: chatId });
  return (
    <Dialog
      open
      onOpenChange={(open) => open || onClose()}
      title="Sub-agents"
      description="Chats that work for this one. Open one to follow it, or to say something to it."
    >
      {!ready && error === null && <Spinner label="Loading sub-agents" />}
      {error !== null && <p className="text-danger">{reasonOf(error)}</p>}
      {ready && chats.length === 0 && <p className="text-sm text-ink-muted">This chat has none.</p>}
      <ul className="-mx-2">
        {chats.map((chat) => (
          <li key={chat.id}>
            <Link
              href={`/chats/${chat.id}`}
              onClick={onClose}
              className="flex items-center gap-2.5 rounded-md px-2 py-2 hover:bg-hover"
            >
              <Bot size={16} aria-hidden className="shrink-0 text-accent-ink" />
              <span className="min-w-0 flex-1 truncate">{chat.title ?? "Sub-agent"}</span>
              <span className="text-xs text-ink-muted">{statuses[chat.status]}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
