import type { ChatListFilter } from "@parley/client";
import { useChatList } from "@parley/client/react";
import type { Chat } from "@parley/protocol";
import { useEffect, useMemo, useRef, type ReactNode } from "react";
import { VList, type VListHandle } from "virtua";
import { useLocation } from "wouter";
import { useShortcut } from "../shell/shortcuts.ts";
import { Button } from "../ui/button.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf, showError } from "../ui/toast-store.ts";
import { ChatItem } from "./chat-item.tsx";
import { isEverything, type ListView } from "./list-view.ts";
import { sectionsOf, type ListRow } from "./sections.ts";
import { isUnread, markSeen, useSeenChats } from "./seen-chats.ts";
import { useToday } from "./use-today.ts";
import { useOpenChatId } from "./use-open-chat-id.ts";

/** How near to the end of what is there the next page is asked for. */
const rowsAhead = 20;

export interface ChatListProps {
  filter: ChatListFilter;
  view: ListView;
  onClear: () => void;
}

/** The chats, live. Only those on the screen are in the document. */
export function ChatList({ filter, view, onClear }: ChatListProps): ReactNode {
  const { chats, ready, hasMore, loadingMore, loadMore, error, reconnect } = useChatList(filter);
  const seen = useSeenChats();
  const openId = useOpenChatId();
  const [, navigate] = useLocation();
  const list = useRef<VListHandle>(null);
  const today = useToday();
  const pinned = useChatList({ ...filter, pinned: "true" }).chats;
  // The pinned ones are there however long ago something was said in them.
  const rows = useMemo(() => sectionsOf(together(pinned, chats), today), [pinned, chats, today]);
  // What is open may be none of what is searched for.
  const everyChat = useChatList().chats;
  useSeen([...chats, ...everyChat].find(({ id }) => id === openId));

  const ordered = rows.flatMap((row) => (row.kind === "chat" ? [row.chat.id] : []));
  const step = (by: 1 | -1): void => {
    const at = openId === null ? (by === 1 ? -1 : ordered.length) : ordered.indexOf(openId);
    const next = ordered[at + by];
    if (next === undefined) return;
    navigate(`/chats/${next}`);
    list.current?.scrollToIndex(
      rows.findIndex(({ key }) => key === next),
      { align: "nearest" },
    );
  };
  useShortcut("alt+arrowup", () => step(-1));
  useShortcut("alt+arrowdown", () => step(1));

  const onScroll = (): void => {
    const handle = list.current;
    if (handle === null || !hasMore || loadingMore) return;
    const last = handle.findItemIndex(handle.scrollOffset + handle.viewportSize);
    if (last < rows.length - rowsAhead) return;
    void loadMore().catch((failure: unknown) => showError("Older chats were not loaded", failure));
  };

  if (!ready) {
    return error === null ? (
      <Waiting />
    ) : (
      <Note text={`The chats cannot be read: ${reasonOf(error)}`}>
        <Button size="sm" onClick={reconnect}>
          Try again
        </Button>
      </Note>
    );
  }
  if (rows.length === 0) {
    return isEverything(view) ? (
      <Note text="Your chats will be listed here. They are kept on the server: close this page whenever you like." />
    ) : (
      <Note text={emptyText(view)}>
        <Button size="sm" onClick={onClear}>
          Show all chats
        </Button>
      </Note>
    );
  }
  return (
    <nav aria-label="Chats" className="min-h-0 flex-1">
      <VList
        ref={list}
        data={rows}
        onScroll={onScroll}
        className="px-2 pb-3"
        style={{ height: "100%" }}
      >
        {(row) => (
          <Row
            key={row.key}
            row={row}
            openId={openId}
            unread={row.kind === "chat" && isUnread(row.chat, seen)}
          />
        )}
      </VList>
    </nav>
  );
}

/** Both, each chat once. */
function together(pinned: readonly Chat[], chats: readonly Chat[]): readonly Chat[] {
  const held = new Set(chats.map(({ id }) => id));
  const missing = pinned.filter(({ id }) => !held.has(id));
  return missing.length === 0 ? chats : [...chats, ...missing];
}

interface RowProps {
  row: ListRow;
  openId: string | null;
  unread: boolean;
}

function Row({ row, openId, unread }: RowProps): ReactNode {
  if (row.kind === "heading") {
    return (
      <h2 className="px-2.5 pt-4 pb-1.5 text-xs font-medium text-ink-faint select-none">
        {row.text}
      </h2>
    );
  }
  return <ChatItem chat={row.chat} isOpen={row.chat.id === openId} isUnread={unread} />;
}

/** What is open in a window that is looked at counts as read. */
function useSeen(open: Chat | undefined): void {
  useEffect(() => {
    if (open === undefined) return undefined;
    const look = (): void => {
      if (document.visibilityState === "visible") markSeen(open);
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [open]);
}

function Waiting(): ReactNode {
  return (
    <div className="grid flex-1 animate-fade justify-center pt-8 text-ink-muted [animation-delay:400ms] [animation-fill-mode:backwards]">
      <Spinner label="Loading the chats" />
    </div>
  );
}

function Note({ text, children }: { text: string; children?: ReactNode }): ReactNode {
  return (
    <div className="flex-1 space-y-3 px-5 pt-6 text-sm text-ink-muted">
      <p>{text}</p>
      {children}
    </div>
  );
}

function emptyText({ search, show, label }: ListView): string {
  if (search.trim() !== "") return `No chat has the words “${search.trim()}”.`;
  if (label !== null) return "No chat has this label.";
  switch (show) {
    case "archived":
      return "The archive is empty. Chats that you archive are kept there, and found again by this filter.";
    case "running":
      return "No chat is working right now.";
    case "waiting-for-you":
      return "No chat waits for you.";
    case "failed":
      return "No chat has failed.";
    case "current":
      return "There are no chats.";
    default:
      return show satisfies never;
  }
}
