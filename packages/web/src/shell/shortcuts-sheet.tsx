import type { ReactNode } from "react";
import { Dialog } from "../ui/dialog.tsx";
import { Keys } from "../ui/keys.tsx";
import { shortcuts, useShortcut } from "./shortcuts.ts";

const groups = [...new Set(shortcuts.map(({ group }) => group))];

export interface ShortcutsSheetProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** What the keys do. */
export function ShortcutsSheet({ open, onOpenChange }: ShortcutsSheetProps): ReactNode {
  useShortcut("?", () => onOpenChange(true));
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Keyboard shortcuts">
      {groups.map((group) => (
        <section key={group} className="mb-5 last:mb-1">
          <h3 className="mb-1.5 text-xs font-medium text-ink-muted">{group}</h3>
          <dl className="divide-y divide-line border-y border-line text-sm">
            {shortcuts
              .filter((shortcut) => shortcut.group === group)
              .map(({ keys, text }) => (
                <div key={keys} className="flex h-9.5 items-center justify-between gap-4">
                  <dt>{text}</dt>
                  <dd>
                    <Keys keys={keys} />
                  </dd>
                </div>
              ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
