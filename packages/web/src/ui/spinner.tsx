import { clsx } from "clsx";
import type { ReactNode } from "react";

/** @param label what is awaited, for who cannot see it; empty where the text beside it says so. */
export function Spinner({ label, className }: { label: string; className?: string }): ReactNode {
  return (
    <span role={label === "" ? undefined : "status"} className={clsx("inline-flex", className)}>
      <svg viewBox="0 0 16 16" className="size-4 animate-spin" aria-hidden="true">
        <circle
          cx="8"
          cy="8"
          r="6.25"
          fill="none"
          stroke="currentColor"
          strokeOpacity=".22"
          strokeWidth="1.75"
        />
        <path
          d="M14.25 8A6.25 6.25 0 0 0 8 1.75"
          fill="none"
          stroke="currentColor"
          strokeWidth="1.75"
          strokeLinecap="round"
        />
      </svg>
      {label !== "" && <span className="sr-only">{label}</span>}
    </span>
  );
}
