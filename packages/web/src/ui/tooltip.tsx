import { Tooltip as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Keys } from "./keys.tsx";

export interface TooltipProps {
  /** What the control does. It is not its name: give that to the control itself. */
  text: string;
  /** A shortcut, as `useShortcut` takes it. */
  keys?: string;
  side?: "top" | "right" | "bottom" | "left";
  /** The one control that it explains. */
  children: ReactNode;
}

export function Tooltip({ text, keys, side = "bottom", children }: TooltipProps): ReactNode {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          side={side}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 flex max-w-64 animate-fade items-center gap-2 rounded-sm bg-ink px-2 py-1 text-xs text-canvas shadow-pop select-none"
        >
          {text}
          {keys !== undefined && <Keys keys={keys} inverted />}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Once, around everything. */
export function TooltipProvider({ children }: { children: ReactNode }): ReactNode {
  return (
    <Radix.Provider delayDuration={500} skipDelayDuration={200}>
      {children}
    </Radix.Provider>
  );
}
