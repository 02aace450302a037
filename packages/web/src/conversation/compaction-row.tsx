import { ChevronRight, FoldVertical } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Markdown } from "./markdown/markdown.tsx";

const reasons: Record<string, string> = {
  asked: "as you asked",
  automatic: "the conversation had nearly filled the model's context",
  overflow: "the conversation had outgrown the model's context",
};

/** Where the model began to see a summary instead of what is above. The transcript stays whole. */
export function CompactionRow({
  reason,
  summary,
  chars,
}: {
  reason: string;
  summary: string | null;
  chars: number;
}): ReactNode {
  const [open, setOpen] = useState(false);
  if (summary === null) {
    return (
      <Divider>
        <FoldVertical size={14} aria-hidden className="animate-pulse" />
        Summarising the conversation…{chars > 0 && ` ${chars.toLocaleString()} characters`}
      </Divider>
    );
  }
  return (
    <div>
      <Divider>
        <button
          type="button"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
          className="inline-flex items-center gap-1.5 rounded-sm px-1 hover:text-ink"
        >
          <FoldVertical size={14} aria-hidden />
          Summarised for the model: {reasons[reason] ?? reason}
          <ChevronRight
            size={13}
            aria-hidden
            className={`transition-transform ${open ? "rotate-90" : ""}`}
          />
        </button>
      </Divider>
      {open && (
        <div className="mt-3 rounded-lg border border-line bg-sunken px-4 py-3 text-sm">
          <Markdown text={summary} />
        </div>
      )}
    </div>
  );
}

/** A line across the conversation with words in it. */
export function Divider({ children }: { children: ReactNode }): ReactNode {
  return (
    <div className="flex items-center gap-3 py-1 text-xs text-ink-muted">
      <span className="h-px flex-1 bg-line" />
      <span className="inline-flex items-center gap-1.5 text-center">{children}</span>
      <span className="h-px flex-1 bg-line" />
    </div>
  );
}
