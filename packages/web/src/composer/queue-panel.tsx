import {
  closestCenter,
  DndContext,
  KeyboardSensor,
  PointerSensor,
  useSensor,
  useSensors,
  type DragEndEvent,
} from "@dnd-kit/core";
import {
  arrayMove,
  SortableContext,
  sortableKeyboardCoordinates,
  verticalListSortingStrategy,
} from "@dnd-kit/sortable";
import { useChatActions, useChatValue } from "@parley/client/react";
import type { QueuedMessage } from "@parley/protocol";
import { useState, type ReactNode } from "react";
import { showError } from "../ui/toast-store.ts";
import { PendingRow } from "../conversation/pending-row.tsx";
import { isForQueue } from "../conversation/timeline.ts";
import { QueuedItem } from "./queued-item.tsx";

/** What waits for its turn: it can be changed, moved, sent at once and taken back. */
export function QueuePanel({ chatId }: { chatId: string }): ReactNode {
  const queue = useChatValue(chatId, (state) => state.transcript.queue);
  const pending = useChatValue(chatId, (state) => state.pending);
  const actions = useChatActions(chatId);
  const [moved, setMoved] = useState<{ from: typeof queue; to: readonly QueuedMessage[] } | null>(
    null,
  );
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 4 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );
  // The order of one's own hand counts until the server has said what it made of it.
  const shown = moved !== null && moved.from === queue ? moved.to : queue;
  const sending = pending.filter(isForQueue);
  if (shown.length === 0 && sending.length === 0) return null;

  const onDragEnd = ({ active, over }: DragEndEvent): void => {
    const from = shown.findIndex(({ id }) => id === active.id);
    const to = shown.findIndex(({ id }) => id === over?.id);
    const item = shown[from];
    if (item === undefined || to === -1 || from === to) return;
    setMoved({ from: queue, to: arrayMove([...shown], from, to) });
    actions.editQueued(item.id, { position: to }).catch((error: unknown) => {
      setMoved(null);
      showError("The message was not moved", error);
    });
  };

  return (
    <section
      aria-label="Queue"
      className="mx-auto max-h-[35dvh] w-full max-w-3xl overflow-y-auto px-4 pb-2 sm:px-6"
    >
      <DndContext sensors={sensors} collisionDetection={closestCenter} onDragEnd={onDragEnd}>
        <SortableContext items={shown.map(({ id }) => id)} strategy={verticalListSortingStrategy}>
          <ol className="overflow-hidden rounded-lg border border-line bg-sunken">
            {shown.map((queued) => (
              <QueuedItem key={queued.id} chatId={chatId} queued={queued} />
            ))}
          </ol>
        </SortableContext>
      </DndContext>
      {sending.map((each) => (
        <div key={each.client_id} className="mt-1.5">
          <PendingRow chatId={chatId} pending={each} />
        </div>
      ))}
    </section>
  );
}
