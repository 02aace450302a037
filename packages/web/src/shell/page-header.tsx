import type { ReactNode } from "react";
import { SidebarToggle } from "./sidebar-toggle.tsx";

export interface PageHeaderProps {
  title: string;
  /** In place of the plain title, where it can do more. */
  heading?: ReactNode;
  actions?: ReactNode;
}

/** The bar above every page; on phones it opens the list. */
export function PageHeader({ title, heading, actions }: PageHeaderProps): ReactNode {
  return (
    <header className="flex h-13 shrink-0 items-center gap-1.5 border-b border-line px-2.5 sm:px-4">
      <title>{`${title} · Parley`}</title>
      <SidebarToggle />
      <div className="min-w-0 flex-1">
        {heading ?? <h1 className="truncate px-1 text-base font-semibold">{title}</h1>}
      </div>
      {actions}
    </header>
  );
}
