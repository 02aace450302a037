import type { Chat } from "@parley/protocol";
import { clsx } from "clsx";
import { Pin } from "lucide-react";
import { memo, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { ChatMenu } from "./chat-menu.tsx";
import { RenameForm } from "./rename-form.tsx";
import { StatusMark } from "./status-mark.tsx";

export interface ChatItemProps {
  chat: Chat;
  isOpen: boolean;
  isUnread: boolean;
}

/** One chat of the list: a line that says what it is about and how it stands. */
export const ChatItem = memo(function ChatItem(props: ChatItemProps): ReactNode {
  const { chat, isOpen, isUnread } = props;
  const [renaming, setRenaming] = useState(false);
  if (renaming) return <RenameForm chat={chat} onClose={() => setRenaming(false)} />;
  return (
    <div
      className={clsx(
        "group relative flex h-9 items-center rounded-md text-sm transition-colors",
        isOpen ? "bg-active" : "hover:bg-hover has-data-[state=open]:bg-hover",
      )}
    >
      <Link
        href={`/chats/${chat.id}`}
        aria-current={isOpen ? "page" : undefined}
        className="flex h-full min-w-0 flex-1 items-center gap-1.5 rounded-md pr-2 pl-2.5"
      >
        <StatusMark status={chat.status} />
        <span
          className={clsx(
            "min-w-0 flex-1 truncate",
            isUnread ? "font-semibold text-ink" : isOpen ? "text-ink" : "text-ink-muted",
            chat.title === null && "italic",
          )}
        >
          {chat.title ?? "New chat"}
        </span>
        {isUnread && (
          <span className="size-2 shrink-0 rounded-full bg-accent group-focus-within:mr-7 group-hover:mr-7">
            <span className="sr-only">unread</span>
          </span>
        )}
        {chat.pinned && !isUnread && (
          <Pin
            size={13}
            aria-hidden="true"
            className="shrink-0 text-ink-faint group-focus-within:mr-7 group-hover:mr-7"
          />
        )}
      </Link>
      <ChatMenu chat={chat} isOpen={isOpen} onRename={() => setRenaming(true)} />
    </div>
  );
});
