import type { ReactNode } from "react";
import { PageHeader } from "./page-header.tsx";

export interface PageProps {
  title: string;
  /** At the right of the title. */
  actions?: ReactNode;
  /** As wide as the window allows; else one comfortable column. */
  wide?: boolean;
  children: ReactNode;
}

/** A page that scrolls as a whole, under its title. */
export function Page({ title, actions, wide = false, children }: PageProps): ReactNode {
  return (
    <div className="flex h-full min-h-0 flex-col">
      <PageHeader title={title} actions={actions} />
      <main id="main" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none">
        <div className={`mx-auto px-4 pt-6 pb-16 sm:px-6 ${wide ? "max-w-7xl" : "max-w-3xl"}`}>
          {children}
        </div>
      </main>
    </div>
  );
}
