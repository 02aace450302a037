import { useChatList } from "@parley/client/react";
import { clsx } from "clsx";
import type { ReactNode } from "react";

const looks = {
  connecting: { text: "Connecting …", dot: "bg-line-strong" },
  live: { text: "Live", dot: "bg-ok-solid" },
  reconnecting: { text: "Reconnecting …", dot: "bg-warn-solid" },
  ended: { text: "Not live: reload the page", dot: "bg-danger-solid" },
} as const;

/** Whether what the list shows is what is. */
export function ConnectionDot(): ReactNode {
  const { connection } = useChatList();
  const { text, dot } = looks[connection];
  return (
    <output className="flex items-center gap-1.5 text-xs text-ink-muted">
      <span aria-hidden="true" className={clsx("size-1.5 rounded-full", dot)} />
      {text}
    </output>
  );
}
