import { useClient } from "@parley/client/react";
import type { Chat } from "@parley/protocol";
import { useRef, useState, type ReactNode } from "react";
import { showError } from "../ui/toast-store.ts";

/** The title as a field: Enter or leaving it keeps what is written, Escape what was there. */
export function RenameForm({ chat, onClose }: { chat: Chat; onClose: () => void }): ReactNode {
  const client = useClient();
  const [title, setTitle] = useState(chat.title ?? "");
  const isOver = useRef(false);
  const end = (save: boolean): void => {
    if (isOver.current) return;
    isOver.current = true;
    onClose();
    const next = title.trim();
    if (!save || next === "" || next === chat.title) return;
    client
      .patchChat(chat.id, { title: next })
      .catch((error: unknown) => showError("The chat was not renamed", error));
  };
  return (
    <input
      aria-label="Title of the chat"
      autoFocus
      value={title}
      maxLength={200}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setTitle(event.target.value)}
      onBlur={() => end(true)}
      onKeyDown={(event) => {
        if (event.key === "Enter") end(true);
        if (event.key === "Escape") {
          event.stopPropagation();
          end(false);
        }
      }}
      className="h-9 w-full rounded-md border border-accent bg-surface px-2.5 text-sm outline-none"
    />
  );
}
