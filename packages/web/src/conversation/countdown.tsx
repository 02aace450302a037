import { Timer } from "lucide-react";
import type { ReactNode } from "react";
import { useNow } from "./use-now.ts";

/** How long is left until a time, as `4:05`; nothing where there is no end. */
export function Countdown({ until }: { until: string | null }): ReactNode {
  const now = useNow();
  if (until === null) return null;
  const left = Math.max(0, Date.parse(until) - now);
  return (
    <span
      className="inline-flex items-center gap-1 text-xs text-ink-muted tabular-nums"
      title={`Until ${new Date(until).toLocaleString()}`}
    >
      <Timer size={13} aria-hidden />
      {durationText(left)}
    </span>
  );
}

/** `4:05`, `2:03:00`, `3 days`. */
export function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  const days = Math.floor(seconds / 86_400);
  if (days >= 2) return `${days} days`;
  const two = (n: number): string => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}
