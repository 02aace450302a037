import { limits } from "@parley/protocol";
import { useState, type ReactNode } from "react";

/** The title as a field: Enter or leaving it saves, Escape gives up. */
export function TitleForm({
  title,
  onSave,
  onClose,
}: {
  title: string;
  onSave: (title: string) => Promise<void>;
  onClose: () => void;
}): ReactNode {
  const [draft, setDraft] = useState(title);
  const save = (): void => {
    const next = draft.trim();
    onClose();
    if (next !== "" && next !== title) void onSave(next);
  };
  return (
    <input
      value={draft}
      // It was asked for just now.
      // oxlint-disable-next-line jsx-a11y/no-autofocus
      autoFocus
      aria-label="Title"
      maxLength={limits.titleCharsMax}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={save}
      onKeyDown={(event) => {
        if (event.key === "Enter") save();
        else if (event.key === "Escape") onClose();
      }}
      className="h-8 w-full max-w-md rounded-md border border-line-strong bg-surface px-2 font-semibold"
    />
  );
}
