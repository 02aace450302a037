import { clsx } from "clsx";
import type { ReactNode } from "react";

const looks = {
  plain: "bg-hover text-ink-muted",
  accent: "bg-accent-soft text-accent-ink",
  ok: "bg-ok-soft text-ok",
  warn: "bg-warn-soft text-warn",
  danger: "bg-danger-soft text-danger",
} as const;

export interface BadgeProps {
  look?: keyof typeof looks;
  children: ReactNode;
}

/** A word about the thing beside it. */
export function Badge({ look = "plain", children }: BadgeProps): ReactNode {
  return (
    <span
      className={clsx(
        "inline-flex shrink-0 items-center rounded-sm px-1.5 text-xs leading-5 font-medium",
        looks[look],
      )}
    >
      {children}
    </span>
  );
}
