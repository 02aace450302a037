import { useClient } from "@parley/client/react";
import type { Content } from "@parley/protocol";
import { Paperclip } from "lucide-react";
import {
  useEffect,
  useRef,
  useState,
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  type ReactNode,
} from "react";
import { IconButton } from "../ui/icon-button.tsx";
import { AttachmentChips } from "./attachment-chips.tsx";
import { useAttachments } from "./attachments.ts";
import { useDraft } from "./draft.ts";

export interface ComposerBoxProps {
  /** Under which the draft is kept. */
  draftKey: string;
  placeholder: string;
  /** Says it; a message that is refused comes back into the box. */
  onSend: (content: Content, how: { alternative: boolean }) => Promise<void>;
  /** Escape in the box. */
  onEscape?: () => void;
  /** Beside the paperclip: model, effort. */
  tools: ReactNode;
  /** At the right: the buttons that send and stop. `send` is null while there is nothing to send. */
  buttons: (send: (() => void) | null) => ReactNode;
}

/** Where a message is written: text that grows with its lines, files by button, drop and paste. */
export function ComposerBox(props: ComposerBoxProps): ReactNode {
  const { draftKey, placeholder, onSend, onEscape, tools, buttons } = props;
  const [draft, setDraft] = useDraft(draftKey);
  const files = useAttachments(useClient());
  const [dropping, setDropping] = useState(false);
  /** Files are still on their way: it goes when they are there. */
  const [sending, setSending] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // On a phone it would bring up the keyboard over half the page.
    if (window.matchMedia("(pointer: fine)").matches) area.current?.focus();
  }, []);

  const empty = draft.trim() === "" && files.list.length === 0;
  const send = async (alternative: boolean): Promise<void> => {
    if (empty || files.failed || sending) return;
    const [text, attached] = [draft, files.list];
    setSending(true);
    const parts = await files.parts(attached);
    setSending(false);
    // The file that could not be stored says so itself.
    if (parts === null) return;
    setDraft("");
    files.clear();
    try {
      await onSend(contentOf(text, parts), { alternative });
    } catch {
      // Whoever sends it has said what happened; here nothing typed or attached gets lost.
      setDraft(text);
      files.restore(attached);
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape" && onEscape !== undefined) onEscape();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    void send(event.metaKey || event.ctrlKey);
  };
  const onPaste = (event: ClipboardEvent): void => {
    const pasted = [...event.clipboardData.files];
    if (pasted.length === 0) return;
    event.preventDefault();
    files.add(pasted);
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setDropping(false);
    files.add(event.dataTransfer.files);
  };
  const onDrag = (event: DragEvent): void => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setDropping(event.type === "dragover");
  };

  return (
    // Files may be dropped anywhere on it; the button does the same for who has no pointer.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <form
      className={`relative rounded-xl border bg-surface shadow-card transition-colors focus-within:border-accent ${
        dropping ? "border-accent bg-accent-soft" : "border-line-strong"
      }`}
      onSubmit={(event) => {
        event.preventDefault();
        void send(false);
      }}
      onDragOver={onDrag}
      onDragLeave={onDrag}
      onDrop={onDrop}
    >
      <AttachmentChips list={files.list} onRemove={files.remove} />
      <textarea
        ref={area}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        readOnly={sending}
        placeholder={dropping ? "Drop files to attach them" : placeholder}
        aria-label="Message"
        rows={1}
        className="field-sizing-content max-h-[40dvh] min-h-12 w-full resize-none bg-transparent px-4 pt-3 pb-1 outline-none"
      />
      <div className="flex items-center gap-1 px-2 pb-2">
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label="Attach files"
          onChange={(event) => {
            files.add(event.target.files ?? []);
            event.target.value = "";
          }}
        />
        <IconButton
          label="Attach files"
          icon={<Paperclip size={17} />}
          side="top"
          onClick={() => picker.current?.click()}
        />
        <div className="flex min-w-0 flex-1 items-center gap-1">{tools}</div>
        {buttons(empty || files.failed || sending ? null : () => void send(false))}
      </div>
    </form>
  );
}

function contentOf(text: string, files: Exclude<Content, string>): Content {
  if (files.length === 0) return text;
  return text.trim() === "" ? files : [{ type: "text", text }, ...files];
}
