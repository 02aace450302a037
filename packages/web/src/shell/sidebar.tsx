import { PanelLeft, SquarePen } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { ChatList } from "../chats/chat-list.tsx";
import { ListFilterMenu } from "../chats/list-filter-menu.tsx";
import { SearchField } from "../chats/search-field.tsx";
import { everything, toFilter, type ListView } from "../chats/list-view.ts";
import { IconButton } from "../ui/icon-button.tsx";
import { Logo } from "../ui/logo.tsx";
import { Tooltip } from "../ui/tooltip.tsx";
import { AccountMenu } from "./account-menu.tsx";
import { sidebar } from "./sidebar-state.ts";

/** The chats, and the way to everything else. */
export function Sidebar({ onShortcuts }: { onShortcuts: () => void }): ReactNode {
  const [view, setView] = useState<ListView>(everything);
  const [location] = useLocation();
  return (
    <div className="flex h-full flex-col">
      <div className="flex h-13 shrink-0 items-center gap-2.5 pr-2 pl-4">
        <Logo className="size-6" />
        <span className="flex-1 font-semibold tracking-tight">Parley</span>
        <IconButton
          label="Hide the chats"
          keys="mod+b"
          icon={<PanelLeft size={18} />}
          onClick={sidebar.toggle}
        />
      </div>
      <div className="space-y-2 px-3 pt-1 pb-2">
        <Tooltip text="Begin a new chat" keys="mod+shift+o" side="right">
          <Link
            href="/"
            aria-current={location === "/" ? "page" : undefined}
            className="flex h-9 items-center gap-2.5 rounded-md border border-line bg-surface px-3 text-sm font-medium shadow-card transition-colors hover:bg-hover"
          >
            <SquarePen size={16} className="text-accent-ink" aria-hidden="true" />
            New chat
          </Link>
        </Tooltip>
        <div className="flex items-center gap-1">
          <SearchField value={view.search} onChange={(search) => setView({ ...view, search })} />
          <ListFilterMenu view={view} onChange={setView} />
        </div>
      </div>
      <ChatList filter={toFilter(view)} view={view} onClear={() => setView(everything)} />
      <AccountMenu onShortcuts={onShortcuts} />
    </div>
  );
}
