import { useChatActions, useChatValue } from "@parley/client/react";
import {
  Archive,
  ArchiveRestore,
  Bot,
  CornerLeftUp,
  Download,
  Ellipsis,
  Eraser,
  FoldVertical,
  GitFork,
  Pencil,
  Trash2,
} from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { PageHeader } from "../shell/page-header.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { IconButton } from "../ui/icon-button.tsx";
import { Menu, MenuItem, MenuSeparator } from "../ui/menu.tsx";
import { showError } from "../ui/toast-store.ts";
import { FamilyDialog } from "./family-dialog.tsx";
import { transcriptText } from "./transcript-text.ts";
import { TitleForm } from "./title-form.tsx";
import { UsageChip } from "./usage-chip.tsx";

/** The chat's title, what it has used, and what can be done with all of it. */
export function ChatHeader({ chatId }: { chatId: string }): ReactNode {
  const chat = useChatValue(chatId, (state) => state.transcript.chat);
  const messages = useChatValue(chatId, (state) => state.transcript.messages);
  const actions = useChatActions(chatId);
  const [, navigate] = useLocation();
  const [renaming, setRenaming] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const [showsFamily, setShowsFamily] = useState(false);
  const title = chat?.title ?? "New chat";

  const run = async (what: string, action: () => Promise<unknown>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      showError(what, error);
    }
  };
  const fork = (): Promise<void> =>
    run("The chat was not forked", async () =>
      navigate(`/chats/${(await actions.forkChat({})).id}`),
    );
  const remove = (): Promise<void> =>
    run("The chat was not deleted", async () => {
      await actions.deleteChat();
      navigate("/");
    });
  const save = (): void => {
    const text = new Blob([transcriptText(title, messages)], { type: "text/markdown" });
    const link = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(text),
      download: `${title.replace(/[^\p{L}\p{N} _-]+/gu, "").trim() || "chat"}.md`,
    });
    link.click();
    URL.revokeObjectURL(link.href);
  };

  return (
    <>
      <PageHeader
        title={title}
        heading={
          renaming ? (
            <TitleForm
              title={chat?.title ?? ""}
              onSave={(next) =>
                run("The chat was not renamed", () => actions.patchChat({ title: next }))
              }
              onClose={() => setRenaming(false)}
            />
          ) : (
            <div className="flex min-w-0 items-center gap-1">
              {chat !== null && chat.parent_chat_id !== null && (
                <Link
                  href={`/chats/${chat.parent_chat_id}`}
                  className="inline-flex shrink-0 items-center gap-1 rounded-md px-2 py-1 text-sm text-ink-muted hover:bg-hover hover:text-ink"
                >
                  <CornerLeftUp size={15} aria-hidden /> Parent
                </Link>
              )}
              <h1 className="truncate px-1 text-base font-semibold">{title}</h1>
            </div>
          )
        }
        actions={
          <>
            <UsageChip chatId={chatId} />
            <Menu
              align="end"
              trigger={<IconButton label="Chat actions" icon={<Ellipsis size={18} />} />}
            >
              <MenuItem icon={<Pencil size={15} />} onSelect={() => setRenaming(true)}>
                Rename
              </MenuItem>
              <MenuItem icon={<Bot size={15} />} onSelect={() => setShowsFamily(true)}>
                Sub-agents
              </MenuItem>
              <MenuItem icon={<GitFork size={15} />} onSelect={() => void fork()}>
                Fork
              </MenuItem>
              <MenuItem icon={<Download size={15} />} onSelect={save}>
                Save as Markdown
              </MenuItem>
              <MenuSeparator />
              <MenuItem
                icon={<FoldVertical size={15} />}
                onSelect={() => void run("The chat was not summarised", () => actions.compact())}
              >
                Summarise the context
              </MenuItem>
              <MenuItem
                icon={<Eraser size={15} />}
                onSelect={() => void run("The context was not cleared", () => actions.clear())}
              >
                Clear the context
              </MenuItem>
              <MenuSeparator />
              <MenuItem
                icon={
                  chat?.archived === true ? <ArchiveRestore size={15} /> : <Archive size={15} />
                }
                onSelect={() =>
                  void run("The chat was not archived", () =>
                    actions.patchChat({ archived: chat?.archived !== true }),
                  )
                }
              >
                {chat?.archived === true ? "Take out of the archive" : "Archive"}
              </MenuItem>
              <MenuItem icon={<Trash2 size={15} />} danger onSelect={() => setDeleting(true)}>
                Delete
              </MenuItem>
            </Menu>
          </>
        }
      />
      {showsFamily && <FamilyDialog chatId={chatId} onClose={() => setShowsFamily(false)} />}
      <Dialog
        open={deleting}
        onOpenChange={setDeleting}
        title="Delete this chat?"
        description="It is deleted for good, with its sub-agents."
        actions={
          <>
            <Button onClick={() => setDeleting(false)}>Keep it</Button>
            <Button look="danger" onClick={() => void remove()}>
              Delete
            </Button>
          </>
        }
      />
    </>
  );
}
