import { useSortable } from "@dnd-kit/sortable";
import { useChatActions } from "@parley/client/react";
import type { QueuedMessage, WhenQueued } from "@parley/protocol";
import { GripVertical, ListPlus, Pencil, SendHorizontal, Split, Trash2, Zap } from "lucide-react";
import { useState, type ReactNode } from "react";
import { contentOf, textOf } from "../conversation/content.ts";
import { EditForm } from "../conversation/edit-form.tsx";
import { IconButton } from "../ui/icon-button.tsx";
import { showError } from "../ui/toast-store.ts";

const manners: Record<WhenQueued, { label: string; icon: ReactNode }> = {
  queue: { label: "After this turn", icon: <ListPlus size={14} aria-hidden /> },
  steer: { label: "Into this turn", icon: <Split size={14} aria-hidden /> },
  interrupt: { label: "Next", icon: <Zap size={14} aria-hidden /> },
};

/** One message of the queue. */
export function QueuedItem({
  chatId,
  queued,
}: {
  chatId: string;
  queued: QueuedMessage;
}): ReactNode {
  const actions = useChatActions(chatId);
  const [editing, setEditing] = useState(false);
  const {
    setNodeRef,
    setActivatorNodeRef,
    attributes,
    listeners,
    transform,
    transition,
    isDragging,
  } = useSortable({ id: queued.id, disabled: editing });
  const text = textOf(queued.parts);
  const files = queued.parts.filter(({ type }) => type === "file").length;
  const { label, icon } = manners[queued.when_busy];

  const run = async (what: string, action: () => Promise<unknown>): Promise<boolean> => {
    try {
      await action();
      return true;
    } catch (error) {
      showError(what, error);
      return false;
    }
  };
  const save = async (next: string): Promise<void> => {
    const content = contentOf(queued.parts, next);
    const saved = await run("The message was not changed", () =>
      actions.editQueued(queued.id, { content }),
    );
    if (saved) setEditing(false);
  };
  const turn = queued.when_busy === "steer" ? "queue" : "steer";

  return (
    <li
      ref={setNodeRef}
      style={{
        transform:
          transform === null ? undefined : `translate3d(0, ${Math.round(transform.y)}px, 0)`,
        transition: transition,
      }}
      className={`border-b border-line bg-sunken last:border-b-0 ${isDragging ? "relative z-10 shadow-pop" : ""}`}
      data-queued={queued.id}
    >
      {editing ? (
        <div className="p-1.5">
          <EditForm text={text} action="Save" onSave={save} onCancel={() => setEditing(false)} />
        </div>
      ) : (
        <div className="flex items-center gap-1 py-1 pr-1 pl-1">
          <button
            type="button"
            ref={setActivatorNodeRef}
            {...attributes}
            {...listeners}
            aria-label={`Move “${text.slice(0, 40)}”`}
            className="grid size-7 shrink-0 cursor-grab touch-none place-items-center rounded-md text-ink-faint hover:bg-hover hover:text-ink"
          >
            <GripVertical size={15} aria-hidden />
          </button>
          <span className="min-w-0 flex-1 truncate text-sm">
            {text}
            {files > 0 && (
              <span className="text-ink-muted">
                {" "}
                + {files} {files === 1 ? "file" : "files"}
              </span>
            )}
          </span>
          <span className="inline-flex shrink-0 items-center gap-1 px-1 text-xs text-ink-muted max-sm:hidden">
            {icon}
            {label}
          </span>
          {queued.when_busy !== "interrupt" && (
            <IconButton
              size="sm"
              label={turn === "steer" ? "Say it into this turn" : "Wait for the end of this turn"}
              icon={turn === "steer" ? <Split size={15} /> : <ListPlus size={15} />}
              onClick={() =>
                void run("The message was not changed", () =>
                  actions.editQueued(queued.id, { when_busy: turn }),
                )
              }
            />
          )}
          <IconButton
            size="sm"
            label="Edit"
            icon={<Pencil size={15} />}
            onClick={() => setEditing(true)}
          />
          <IconButton
            size="sm"
            label="Send now"
            icon={<SendHorizontal size={15} />}
            onClick={() =>
              void run("The message was not sent", () => actions.promoteQueued(queued.id))
            }
          />
          <IconButton
            size="sm"
            label="Delete"
            icon={<Trash2 size={15} />}
            onClick={() =>
              void run("The message was not deleted", () => actions.deleteQueued(queued.id))
            }
          />
        </div>
      )}
    </li>
  );
}
