import { Brain, ChevronRight } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Markdown } from "../markdown/markdown.tsx";

/** What the model thought before it answered: one line, until somebody wants to read it. */
export function Reasoning({ text, live }: { text: string; live: boolean }): ReactNode {
  const [open, setOpen] = useState(false);
  return (
    <details
      className="group text-sm text-ink-muted"
      open={open}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary className="inline-flex cursor-pointer list-none items-center gap-1.5 rounded-sm py-0.5 pr-2 hover:text-ink">
        <ChevronRight size={14} aria-hidden className="transition-transform group-open:rotate-90" />
        <Brain size={14} aria-hidden className={live ? "animate-pulse" : ""} />
        {live ? "Thinking…" : "Thoughts"}
      </summary>
      {open && (
        <div className="mt-1.5 ml-1.5 border-l-2 border-line pl-4">
          <Markdown text={text} live={live} />
        </div>
      )}
    </details>
  );
}
