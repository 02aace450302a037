import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { Menu, MenuRadio } from "../ui/menu.tsx";
import { busyModes, type BusyMode } from "./busy-mode.ts";

/** What becomes of a message that is sent now. */
export function BusyModeButton({
  mode,
  onChange,
}: {
  mode: BusyMode;
  onChange: (mode: BusyMode) => void;
}): ReactNode {
  const label = busyModes.find(({ value }) => value === mode)?.label;
  return (
    <Menu
      side="top"
      align="end"
      trigger={
        <button
          type="button"
          aria-label={`While it works: ${label}`}
          className="inline-flex h-9 shrink-0 items-center gap-1 rounded-md px-2.5 text-sm text-ink-muted hover:bg-hover hover:text-ink data-[state=open]:bg-hover"
        >
          {label}
          <ChevronDown size={14} aria-hidden />
        </button>
      }
    >
      <MenuRadio label="While it works" value={mode} onChange={onChange} options={busyModes} />
    </Menu>
  );
}
