import { clsx } from "clsx";
import type { ReactNode } from "react";

/** Above this it is worth a look. */
const fullShare = 0.9;

export interface MeterProps {
  label: string;
  used: number;
  /** null: nothing limits it. */
  max: number | null;
}

/** How much of something is in use. */
export function Meter({ label, used, max }: MeterProps): ReactNode {
  const share = max === null || max === 0 ? 0 : Math.min(1, used / max);
  return (
    <div>
      <p className="mb-1 flex justify-between gap-3 text-sm">
        <span className="text-ink-muted">{label}</span>
        <span className="tabular-nums">
          <span className="font-medium">{used}</span>
          {max === null ? " · no limit" : ` of ${max}`}
        </span>
      </p>
      {max !== null && (
        <div aria-hidden="true" className="h-2 overflow-hidden rounded-full bg-active">
          <div
            className={clsx(
              "h-full rounded-full transition-[width]",
              share >= fullShare ? "bg-warn-solid" : "bg-accent",
            )}
            style={{ width: `${share * 100}%` }}
          />
        </div>
      )}
    </div>
  );
}
