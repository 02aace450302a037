import { clsx } from "clsx";
import type { ComponentProps, ReactNode } from "react";

/** How far something is. Its size comes from `className`. */
export function ProgressBar({ className, ...rest }: ComponentProps<"progress">): ReactNode {
  return (
    <progress
      {...rest}
      className={clsx(
        "appearance-none overflow-hidden rounded-full [&::-moz-progress-bar]:bg-accent [&::-webkit-progress-bar]:bg-active [&::-webkit-progress-value]:bg-accent",
        className,
      )}
    />
  );
}
