import type { ReactNode } from "react";

/** The frame around every page: the list of chats beside it. */
export function Shell({ children }: { children: ReactNode }): ReactNode {
  return (
    <div className="flex h-full">
      <div className="min-w-0 flex-1">{children}</div>
    </div>
  );
}
