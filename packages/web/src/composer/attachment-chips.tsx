import { X } from "lucide-react";
import type { ReactNode } from "react";
import { KindIcon } from "../conversation/parts/file.tsx";
import { Spinner } from "../ui/spinner.tsx";
import type { Attachment } from "./attachments.ts";

/** The files beside a draft. */
export function AttachmentChips({
  list,
  onRemove,
}: {
  list: readonly Attachment[];
  onRemove: (id: number) => void;
}): ReactNode {
  if (list.length === 0) return null;
  return (
    <ul className="flex flex-wrap gap-1.5 px-3 pt-3" aria-label="Attachments">
      {list.map(({ id, name, media_type, state, problem }) => (
        <li
          key={id}
          className={`inline-flex max-w-64 items-center gap-2 rounded-md border px-2 py-1 text-sm ${
            state === "failed" ? "border-danger bg-danger-soft" : "border-line bg-canvas"
          }`}
          title={problem ?? name}
        >
          {state === "uploading" ? (
            <Spinner label={`Uploading ${name}`} />
          ) : (
            <KindIcon mediaType={media_type} />
          )}
          <span className="truncate">{problem ?? name}</span>
          <button
            type="button"
            aria-label={`Remove ${name}`}
            onClick={() => onRemove(id)}
            className="shrink-0 rounded-sm p-0.5 text-ink-muted hover:bg-hover hover:text-ink"
          >
            <X size={14} aria-hidden />
          </button>
        </li>
      ))}
    </ul>
  );
}
