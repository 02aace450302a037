import { Activity, ChevronsUpDown, Keyboard, LogOut, Settings } from "lucide-react";
import type { ReactNode } from "react";
import { useLocation } from "wouter";
import { useMe } from "../session/session-gate.tsx";
import { signOut } from "../session/session-store.ts";
import { setTheme, themeOptions, useThemeChoice } from "../theme/theme.ts";
import { Menu, MenuItem, MenuRadio, MenuSeparator } from "../ui/menu.tsx";
import { showError } from "../ui/toast-store.ts";
import { ConnectionDot } from "./connection-dot.tsx";

/** Who is signed in, and what is not a chat. */
export function AccountMenu({ onShortcuts }: { onShortcuts: () => void }): ReactNode {
  const { principal } = useMe();
  const [, navigate] = useLocation();
  const theme = useThemeChoice();
  const leave = (): void => {
    void signOut().catch((error: unknown) => showError("You are still signed in", error));
  };
  return (
    <div className="border-t border-line p-2">
      <Menu
        side="top"
        trigger={
          <button
            type="button"
            className="flex w-full items-center gap-2.5 rounded-md px-2 py-1.5 text-left text-sm transition-colors hover:bg-hover data-[state=open]:bg-hover"
          >
            <span
              aria-hidden="true"
              className="grid size-7 shrink-0 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent-ink uppercase"
            >
              {principal.name.slice(0, 1)}
            </span>
            <span className="min-w-0 flex-1">
              <span className="block truncate font-medium">{principal.name}</span>
              <ConnectionDot />
            </span>
            <ChevronsUpDown size={15} className="text-ink-faint" aria-hidden="true" />
            <span className="sr-only">Menu</span>
          </button>
        }
      >
        <MenuItem icon={<Settings size={15} />} onSelect={() => navigate("/settings")}>
          Settings
        </MenuItem>
        {principal.is_admin && (
          <MenuItem icon={<Activity size={15} />} onSelect={() => navigate("/operator")}>
            Operator
          </MenuItem>
        )}
        <MenuItem icon={<Keyboard size={15} />} keys="?" onSelect={onShortcuts}>
          Keyboard shortcuts
        </MenuItem>
        <MenuSeparator />
        <MenuRadio label="Theme" value={theme} onChange={setTheme} options={themeOptions} />
        <MenuSeparator />
        <MenuItem icon={<LogOut size={15} />} onSelect={leave}>
          Sign out
        </MenuItem>
      </Menu>
    </div>
  );
}
