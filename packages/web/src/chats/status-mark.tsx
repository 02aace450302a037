import type { Status } from "@parley/protocol";
import { clsx } from "clsx";
import type { ReactNode } from "react";
import { Tooltip } from "../ui/tooltip.tsx";

const marks: Record<Exclude<Status, "waiting">, { text: string; className: string }> = {
  running: { text: "Working", className: "bg-accent animate-pulse" },
  interrupting: { text: "Stopping", className: "bg-ink-faint animate-pulse" },
  requires_action: { text: "Waits for you", className: "bg-warn-solid" },
  error: { text: "Failed", className: "bg-danger-solid" },
};

/** What a chat is doing; nothing where it waits for the next message. */
export function StatusMark({ status }: { status: Status }): ReactNode {
  if (status === "waiting") return null;
  const { text, className } = marks[status];
  return (
    <Tooltip text={text} side="right">
      <span className="grid size-4 shrink-0 place-items-center" data-status={status}>
        <span aria-hidden="true" className={clsx("size-2 rounded-full", className)} />
        <span className="sr-only">{text}: </span>
      </span>
    </Tooltip>
  );
}
