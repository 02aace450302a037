import { Dialog } from "radix-ui";
import { useEffect, useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { searchFieldId } from "../chats/search-field.tsx";
import { resolvedTheme, setTheme } from "../theme/theme.ts";
import { Sidebar } from "./sidebar.tsx";
import { sidebar, useIsNarrow, useSidebar } from "./sidebar-state.ts";
import { useShortcut } from "./shortcuts.ts";
import { ShortcutsSheet } from "./shortcuts-sheet.tsx";

/** The frame around every page: the list of chats beside it, or over it where there is no room. */
export function Shell({ children }: { children: ReactNode }): ReactNode {
  const { docked, drawer } = useSidebar();
  const narrow = useIsNarrow();
  const [location, navigate] = useLocation();
  const [sheet, setSheet] = useState(false);
  useEffect(() => sidebar.closeDrawer(), [location]);
  useShortcut("mod+k", () => {
    sidebar.open();
    // Where it was closed the field is there after the next paint.
    requestAnimationFrame(() => document.getElementById(searchFieldId)?.focus());
  });
  useShortcut("mod+b", sidebar.toggle);
  useShortcut("mod+shift+o", () => navigate("/"));
  useShortcut("mod+shift+l", () => setTheme(resolvedTheme() === "dark" ? "light" : "dark"));
  const list = <Sidebar onShortcuts={() => setSheet(true)} />;
  return (
    <div className="flex h-full">
      <a
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
        className="absolute top-2 left-2 z-50 -translate-y-16 rounded-md bg-ink px-3 py-2 text-sm text-canvas focus:translate-y-0"
      >
        Skip to the content
      </a>
      {!narrow && docked && (
        <aside className="w-72 shrink-0 border-r border-line bg-sunken">{list}</aside>
      )}
      {narrow && (
        <Dialog.Root open={drawer} onOpenChange={sidebar.setDrawer}>
          <Dialog.Portal>
            <Dialog.Overlay className="fixed inset-0 z-30 animate-fade bg-scrim" />
            <Dialog.Content
              aria-describedby={undefined}
              // Not to its first button, whose tooltip would open with it.
              onOpenAutoFocus={(event) => {
                event.preventDefault();
                (event.currentTarget as HTMLElement).focus();
              }}
              className="fixed inset-y-0 left-0 z-30 w-[min(20rem,86vw)] animate-slide border-r border-line bg-sunken shadow-pop focus:outline-none"
            >
              <Dialog.Title className="sr-only">Chats</Dialog.Title>
              {list}
            </Dialog.Content>
          </Dialog.Portal>
        </Dialog.Root>
      )}
      <div className="min-w-0 flex-1">{children}</div>
      <ShortcutsSheet open={sheet} onOpenChange={setSheet} />
    </div>
  );
}
