import { clsx } from "clsx";
import type { ReactNode } from "react";
import { SidebarToggle } from "./sidebar-toggle.tsx";

export interface PageHeaderProps {
  title: string;
  /** In place of the plain title, where it can do more. */
  heading?: ReactNode;
  actions?: ReactNode;
  /** Without the line under it: for a page that has nothing to scroll beneath. */
  bare?: boolean;
}

/** The bar above every page; on phones it opens the list. */
export function PageHeader({ title, heading, actions, bare = false }: PageHeaderProps): ReactNode {
  return (
    <header
      className={clsx(
        "flex h-13 shrink-0 items-center gap-1.5 px-2.5 sm:px-4",
        bare || "border-b border-line",
      )}
    >
      <title>{`${title} · Parley`}</title>
      <SidebarToggle />
      <div className="min-w-0 flex-1">
        {heading ?? <h1 className="truncate px-1 text-base font-semibold">{title}</h1>}
      </div>
      {actions}
    </header>
  );
}
