import { clsx } from "clsx";
import type { ReactNode } from "react";

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

const names: Record<string, string> = {
  mod: isMac ? "⌘" : "Ctrl",
  shift: isMac ? "⇧" : "Shift",
  alt: isMac ? "⌥" : "Alt",
  enter: "Enter",
  escape: "Esc",
  arrowup: "↑",
  arrowdown: "↓",
};

/** A shortcut as it is written on the keys: `mod+k`, `shift+enter`, `?`. */
export function Keys({ keys, inverted = false }: { keys: string; inverted?: boolean }): ReactNode {
  return (
    <span className="inline-flex items-center gap-1">
      {keys.split("+").map((key) => (
        <kbd
          key={key}
          className={clsx(
            "min-w-5 rounded-[4px] border px-1 text-center font-sans text-[0.6875rem] leading-4.5 font-medium",
            inverted
              ? "border-canvas/30 text-canvas"
              : "border-line-strong bg-surface text-ink-muted",
          )}
        >
          {names[key] ?? key.toUpperCase()}
        </kbd>
      ))}
    </span>
  );
}
