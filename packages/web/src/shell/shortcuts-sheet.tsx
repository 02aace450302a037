import { Fragment, type ReactNode } from "react";
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
          <dl className="grid grid-cols-[1fr_auto] items-center divide-line text-sm">
            {shortcuts
              .filter((shortcut) => shortcut.group === group)
              .map(({ keys, text }) => (
                <Fragment key={keys}>
                  <dt className="border-b border-line py-2">{text}</dt>
                  <dd className="border-b border-line py-1.5 text-right">
                    <Keys keys={keys} />
                  </dd>
                </Fragment>
              ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
