import { clsx } from "clsx";
import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Keys } from "./keys.tsx";

export interface MenuProps {
  /** The button that opens it. */
  trigger: ReactNode;
  /** `MenuItem`s, `MenuSeparator`s, `MenuRadio`s. */
  children: ReactNode;
  align?: "start" | "center" | "end";
  side?: "top" | "bottom";
  onOpenChange?: (open: boolean) => void;
}

export function Menu(props: MenuProps): ReactNode {
  const { trigger, children, align = "start", side = "bottom", onOpenChange } = props;
  return (
    // Not modal: what is behind it stays readable for those who do not see it.
    <Radix.Root modal={false} {...(onOpenChange === undefined ? {} : { onOpenChange })}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          side={side}
          sideOffset={4}
          collisionPadding={8}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-44 animate-rise overflow-y-auto rounded-lg border border-line bg-surface p-1 shadow-pop"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

const row =
  "flex cursor-default items-center gap-2.5 rounded-md px-2.5 py-1.5 text-sm outline-none select-none data-disabled:opacity-45 data-highlighted:bg-hover";

export interface MenuItemProps {
  icon?: ReactNode;
  keys?: string;
  danger?: boolean;
  disabled?: boolean;
  onSelect: () => void;
  children: ReactNode;
}

export function MenuItem(props: MenuItemProps): ReactNode {
  const { icon, keys, danger = false, disabled = false, onSelect, children } = props;
  return (
    <Radix.Item
      disabled={disabled}
      onSelect={onSelect}
      className={clsx(row, danger ? "text-danger data-highlighted:bg-danger-soft" : "text-ink")}
    >
      {icon !== undefined && <span className={danger ? "" : "text-ink-muted"}>{icon}</span>}
      <span className="flex-1">{children}</span>
      {keys !== undefined && <Keys keys={keys} />}
    </Radix.Item>
  );
}

export function MenuSeparator(): ReactNode {
  return <Radix.Separator className="-mx-1 my-1 h-px bg-line" />;
}

export interface MenuRadioProps<T extends string> {
  label?: string;
  value: T;
  onChange: (value: T) => void;
  options: readonly { readonly value: T; readonly label: string; readonly hint?: string }[];
}

/** One of several, the chosen one marked. */
export function MenuRadio<T extends string>(props: MenuRadioProps<T>): ReactNode {
  const { label, value, onChange, options } = props;
  return (
    <Radix.RadioGroup value={value} onValueChange={(next) => onChange(next as T)}>
      {label !== undefined && (
        <Radix.Label className="px-2.5 pt-1.5 pb-1 text-xs font-medium text-ink-faint">
          {label}
        </Radix.Label>
      )}
      {options.map((option) => (
        <Radix.RadioItem key={option.value} value={option.value} className={row}>
          <span className="grid size-4 place-items-center text-accent-ink">
            <Radix.ItemIndicator>
              <svg viewBox="0 0 16 16" className="size-4" aria-hidden="true">
                <path
                  d="m3.5 8.5 3 3 6-7"
                  fill="none"
                  stroke="currentColor"
                  strokeWidth="1.75"
                  strokeLinecap="round"
                  strokeLinejoin="round"
                />
              </svg>
            </Radix.ItemIndicator>
          </span>
          <span className="min-w-0 flex-1">
            <span className="block truncate">{option.label}</span>
            {option.hint !== undefined && (
              <span className="block truncate text-xs text-ink-faint">{option.hint}</span>
            )}
          </span>
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  );
}
