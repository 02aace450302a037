import { useId, type ReactNode } from "react";

export interface PanelProps {
  title: string;
  /** The figure that matters most, at the right of the title. */
  figure: string;
  children: ReactNode;
}

export function Panel({ title, figure, children }: PanelProps): ReactNode {
  const id = useId();
  return (
    <section
      aria-labelledby={id}
      className="rounded-lg border border-line bg-surface p-5 shadow-card"
    >
      <div className="mb-4 flex items-baseline justify-between gap-4">
        <h2 id={id} className="font-semibold">
          {title}
        </h2>
        <p className="text-sm text-ink-muted tabular-nums">{figure}</p>
      </div>
      {children}
    </section>
  );
}
