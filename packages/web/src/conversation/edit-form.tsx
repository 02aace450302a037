import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";

export interface EditFormProps {
  text: string;
  /** What saving does, for its button. */
  action?: string;
  onSave: (text: string) => Promise<void>;
  onCancel: () => void;
}

/** A message as text to change, in its place. Enter saves, Escape gives up. */
export function EditForm({
  text,
  action = "Send anew",
  onSave,
  onCancel,
}: EditFormProps): ReactNode {
  const [draft, setDraft] = useState(text);
  const [busy, setBusy] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(draft.length, draft.length);
    // Once, when it opens.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, []);

  const save = async (): Promise<void> => {
    if (busy || draft.trim() === "") return;
    setBusy(true);
    await onSave(draft);
    setBusy(false);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.preventDefault();
      onCancel();
    } else if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void save();
    }
  };
  return (
    <form
      className="rounded-xl border border-accent bg-surface p-2 shadow-card"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <textarea
        ref={area}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
        aria-label="Edit message"
        rows={1}
        className="field-sizing-content max-h-96 min-h-10 w-full resize-none bg-transparent px-2 py-1.5 outline-none"
      />
      <div className="flex items-center justify-end gap-2">
        <Button size="sm" look="quiet" onClick={onCancel}>
          Cancel
        </Button>
        <Button size="sm" look="primary" type="submit" busy={busy} disabled={draft.trim() === ""}>
          {action}
        </Button>
      </div>
    </form>
  );
}
