import { useClient } from "@parley/client/react";
import type { Chat } from "@parley/protocol";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { showError } from "../ui/toast-store.ts";

export interface DeleteDialogProps {
  chat: Chat;
  isOpen: boolean;
  onClose: () => void;
}

export function DeleteDialog({ chat, isOpen, onClose }: DeleteDialogProps): ReactNode {
  const client = useClient();
  const [, navigate] = useLocation();
  const [busy, setBusy] = useState(false);
  const remove = async (): Promise<void> => {
    setBusy(true);
    try {
      await client.deleteChat(chat.id);
      if (isOpen) navigate("/");
      onClose();
    } catch (error) {
      setBusy(false);
      showError("The chat was not deleted", error);
    }
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Delete this chat?"
      description={`“${chat.title ?? "New chat"}” is deleted for good, with its sub-agents. To only put it away, archive it.`}
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look="danger" busy={busy} onClick={() => void remove()}>
            Delete
          </Button>
        </>
      }
    />
  );
}
