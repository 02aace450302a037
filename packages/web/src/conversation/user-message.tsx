import { useChatActions } from "@parley/client/react";
import type { Message } from "@parley/protocol";
import { Check, Copy, History, Pencil } from "lucide-react";
import { memo, useState, type ReactNode } from "react";
import { IconButton } from "../ui/icon-button.tsx";
import { showError } from "../ui/toast-store.ts";
import { contentOf, textOf } from "./content.ts";
import { EditForm } from "./edit-form.tsx";
import { UserContent } from "./user-content.tsx";
import { useCopied } from "./use-copied.ts";
import { VersionsDialog } from "./versions-dialog.tsx";

/** What a person said; it can be copied, edited, and looked up as it was before it was edited. */
export const UserMessage = memo(function UserMessage({ message }: { message: Message }): ReactNode {
  const [editing, setEditing] = useState(false);
  const [showsVersions, setShowsVersions] = useState(false);
  const [copied, copy] = useCopied();
  const actions = useChatActions(message.chat_id);

  const save = async (text: string): Promise<void> => {
    try {
      await actions.editMessage(message.id, {
        content: contentOf(message.parts, text),
        keep_queue: true,
      });
      setEditing(false);
    } catch (error) {
      showError("The message was not changed", error);
    }
  };

  if (editing) {
    return (
      <EditForm text={textOf(message.parts)} onSave={save} onCancel={() => setEditing(false)} />
    );
  }
  return (
    <div
      className="group flex flex-col items-end gap-1 sm:flex-row-reverse sm:items-center"
      data-message={message.id}
    >
      <UserContent parts={message.parts} />
      <div className="flex shrink-0 items-center gap-0.5 sm:flex-row-reverse">
        {message.replaces !== null && (
          <button
            type="button"
            onClick={() => setShowsVersions(true)}
            className="inline-flex h-7 items-center gap-1.5 rounded-md px-2 text-xs text-ink-muted hover:bg-hover hover:text-ink"
          >
            <History size={13} aria-hidden /> Edited
          </button>
        )}
        <span className="flex opacity-0 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100">
          <IconButton
            size="sm"
            label={copied ? "Copied" : "Copy"}
            icon={copied ? <Check size={15} /> : <Copy size={15} />}
            onClick={() => void copy(textOf(message.parts))}
          />
          <IconButton
            size="sm"
            label="Edit"
            icon={<Pencil size={15} />}
            onClick={() => setEditing(true)}
          />
        </span>
      </div>
      {showsVersions && (
        <VersionsDialog message={message} onClose={() => setShowsVersions(false)} />
      )}
    </div>
  );
});
