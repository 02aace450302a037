import { useId, type ReactNode } from "react";

export interface SectionProps {
  title: string;
  /** What it is for, in a sentence or two. */
  text: ReactNode;
  /** At the right of the title. */
  action?: ReactNode;
  children: ReactNode;
}

export function Section({ title, text, action, children }: SectionProps): ReactNode {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <div className="mb-4 flex items-start gap-4">
        <div className="min-w-0 flex-1">
          <h2 id={id} className="text-lg font-semibold tracking-tight">
            {title}
          </h2>
          <p className="mt-0.5 max-w-prose text-sm text-ink-muted">{text}</p>
        </div>
        {action}
      </div>
      {children}
    </section>
  );
}

/** Rows in a frame. */
export function Rows({ children }: { children: ReactNode }): ReactNode {
  return (
    <ul className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface">
      {children}
    </ul>
  );
}
