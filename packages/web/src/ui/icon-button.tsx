import { clsx } from "clsx";
import type { ComponentProps, ReactNode } from "react";
import { Tooltip, type TooltipProps } from "./tooltip.tsx";

export interface IconButtonProps extends Omit<ComponentProps<"button">, "aria-label" | "children"> {
  /** Its name, and the text of its tooltip. */
  label: string;
  /** 16 to 18 px. */
  icon: ReactNode;
  keys?: string;
  side?: TooltipProps["side"];
  size?: "sm" | "md";
  pressed?: boolean;
}

export function IconButton({
  label,
  icon,
  keys,
  side = "bottom",
  size = "md",
  pressed,
  className,
  ...rest
}: IconButtonProps): ReactNode {
  return (
    <Tooltip text={label} side={side} {...(keys === undefined ? {} : { keys })}>
      <button
        type="button"
        {...rest}
        aria-label={label}
        aria-pressed={pressed}
        className={clsx(
          "inline-grid shrink-0 place-items-center rounded-md text-ink-muted transition-colors hover:bg-hover hover:text-ink",
          "disabled:pointer-events-none disabled:opacity-40 aria-pressed:text-accent-ink data-[state=open]:bg-hover data-[state=open]:text-ink",
          size === "sm" ? "size-7" : "size-9",
          className,
        )}
      >
        {icon}
      </button>
    </Tooltip>
  );
}
