import { useClient } from "@parley/client/react";
import type { Chat, PatchChat } from "@parley/protocol";
import {
  Archive,
  ArchiveRestore,
  Ellipsis,
  Mail,
  Pencil,
  Pin,
  PinOff,
  Tag,
  Trash2,
} from "lucide-react";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { IconButton } from "../ui/icon-button.tsx";
import { Menu, MenuItem, MenuSeparator } from "../ui/menu.tsx";
import { showError, showToast } from "../ui/toast-store.ts";
import { DeleteDialog } from "./delete-dialog.tsx";
import { LabelsDialog } from "./labels-dialog.tsx";
import { markUnread } from "./seen-chats.ts";

export interface ChatMenuProps {
  chat: Chat;
  isOpen: boolean;
  onRename: () => void;
}

/** What can be done with a chat from the list. */
export function ChatMenu({ chat, isOpen, onRename }: ChatMenuProps): ReactNode {
  const client = useClient();
  const [, navigate] = useLocation();
  const [dialog, setDialog] = useState<"none" | "delete" | "labels">("none");
  const name = chat.title ?? "New chat";

  const patch = (body: PatchChat, what: string): void => {
    client.patchChat(chat.id, body).catch((error: unknown) => showError(what, error));
  };
  const archive = (): void => {
    const archived = !chat.archived;
    client.patchChat(chat.id, { archived }).then(
      () => {
        if (isOpen && archived) navigate("/");
        showToast({
          kind: "info",
          text: archived ? `“${name}” is in the archive.` : `“${name}” is back in the list.`,
          action: {
            label: "Undo",
            run: () => patch({ archived: !archived }, "It could not be undone"),
          },
        });
      },
      (error: unknown) => showError("The chat was not archived", error),
    );
  };

  return (
    <>
      <Menu
        trigger={
          <IconButton
            label={`Actions for ${name}`}
            size="sm"
            icon={<Ellipsis size={16} />}
            className="absolute right-1 bg-inherit opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 data-[state=open]:opacity-100 [@media(hover:none)]:opacity-100"
          />
        }
      >
        <MenuItem icon={<Pencil size={15} />} onSelect={onRename}>
          Rename
        </MenuItem>
        <MenuItem
          icon={chat.pinned ? <PinOff size={15} /> : <Pin size={15} />}
          onSelect={() => patch({ pinned: !chat.pinned }, "The pin was not changed")}
        >
          {chat.pinned ? "Unpin" : "Pin"}
        </MenuItem>
        <MenuItem icon={<Tag size={15} />} onSelect={() => setDialog("labels")}>
          Labels …
        </MenuItem>
        {!isOpen && (
          <MenuItem icon={<Mail size={15} />} onSelect={() => markUnread(chat)}>
            Mark as unread
          </MenuItem>
        )}
        <MenuSeparator />
        <MenuItem
          icon={chat.archived ? <ArchiveRestore size={15} /> : <Archive size={15} />}
          onSelect={archive}
        >
          {chat.archived ? "Take out of the archive" : "Archive"}
        </MenuItem>
        <MenuItem icon={<Trash2 size={15} />} danger onSelect={() => setDialog("delete")}>
          Delete
        </MenuItem>
      </Menu>
      {dialog === "delete" && (
        <DeleteDialog chat={chat} isOpen={isOpen} onClose={() => setDialog("none")} />
      )}
      {dialog === "labels" && <LabelsDialog chat={chat} onClose={() => setDialog("none")} />}
    </>
  );
}
