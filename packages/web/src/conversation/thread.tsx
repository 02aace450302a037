import { useChatValue } from "@parley/client/react";
import { ArrowDown } from "lucide-react";
import { memo, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { VList, type VListHandle } from "virtua";
import { IconButton } from "../ui/icon-button.tsx";
import { showError } from "../ui/toast-store.ts";
import { AssistantMessage } from "./assistant-message.tsx";
import { CompactionRow, Divider } from "./compaction-row.tsx";
import { PendingRow } from "./pending-row.tsx";
import { Timeline, type Row } from "./timeline.ts";
import { TurnStatus } from "./turn-status.tsx";
import { UserMessage } from "./user-message.tsx";
import { waitingCalls } from "./waiting-calls.ts";

/** Nearer to the end than this, in pixels, the view follows what is written. */
const followsPx = 48;
/** Nearer to the start than this, older messages are fetched. */
const fetchesOlderPx = 600;

/** The transcript: only what is near the view is in the page, and the view follows what is written at its end. */
export function Thread({
  chatId,
  loadOlder,
}: {
  chatId: string;
  loadOlder: () => Promise<void>;
}): ReactNode {
  const transcript = useChatValue(chatId, (state) => state.transcript);
  const pending = useChatValue(chatId, (state) => state.pending);
  const loadingOlder = useChatValue(chatId, (state) => state.loadingOlder);
  const timeline = useMemo(() => new Timeline(), []);
  const rows = timeline.rowsOf(transcript, pending);
  const working = transcript.status?.status === "running";
  const waiting = useMemo(() => waitingCalls(transcript.actions), [transcript.actions]);

  const list = useRef<VListHandle>(null);
  const follows = useRef(true);
  const offsetBefore = useRef(0);
  const [atEnd, setAtEnd] = useState(true);
  const shift = usePrepended(rows);
  const items = useMemo(() => [...rows, atTheEnd], [rows]);

  const toEnd = (): void => list.current?.scrollToIndex(rows.length, { align: "end" });
  useLayoutEffect(() => {
    if (follows.current) toEnd();
  });

  const fetchOlder = (): void => {
    const { current } = list;
    if (current === null || current.scrollOffset >= fetchesOlderPx) return;
    if (follows.current || !transcript.hasMore || loadingOlder) return;
    loadOlder().catch((error: unknown) => showError("Older messages were not loaded", error));
  };
  const onScroll = (offset: number): void => {
    const { current } = list;
    if (current === null) return;
    const left = current.scrollSize - current.viewportSize - offset;
    const isUpwards = offset < offsetBefore.current;
    offsetBefore.current = offset;
    // Messages that come several at a time move the end away, though nobody has scrolled.
    if (left < followsPx) follows.current = true;
    else if (isUpwards) follows.current = false;
    setAtEnd(follows.current || left < followsPx * 4);
    fetchOlder();
  };

  return (
    <div className="relative min-h-0 flex-1">
      <VList
        ref={list}
        className="h-full overscroll-contain [scrollbar-gutter:stable_both-edges]"
        role="log"
        aria-label="Conversation"
        tabIndex={0}
        shift={shift}
        data={items}
        onScroll={onScroll}
        onScrollEnd={fetchOlder}
        onResize={() => {
          if (follows.current) toEnd();
        }}
      >
        {(row, at) =>
          row.kind === "status" ? (
            <div key="status" className={`${column} pb-6`}>
              <TurnStatus chatId={chatId} />
            </div>
          ) : (
            <div key={row.key} className={`${column} ${at === 0 ? "pt-6" : ""}`}>
              {at === 0 && transcript.hasMore && <OlderNote />}
              <RowView chatId={chatId} row={row} working={working} waiting={waiting} />
            </div>
          )
        }
      </VList>
      {!atEnd && (
        <IconButton
          label="To the end"
          icon={<ArrowDown size={18} />}
          side="left"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full border border-line bg-surface shadow-pop"
          onClick={() => {
            follows.current = true;
            toEnd();
          }}
        />
      )}
    </div>
  );
}

const column = "mx-auto w-full max-w-3xl px-4 py-2.5 sm:px-6";

function OlderNote(): ReactNode {
  return (
    <div className="pb-3">
      <Divider>Loading older messages…</Divider>
    </div>
  );
}

interface RowViewProps {
  chatId: string;
  row: Row;
  working: boolean;
  waiting: ReadonlySet<string>;
}

const RowView = memo(function RowView({ chatId, row, working, waiting }: RowViewProps): ReactNode {
  switch (row.kind) {
    case "user":
      return <UserMessage message={row.message} />;
    case "assistant":
      return (
        <AssistantMessage
          chatId={chatId}
          parts={row.parts}
          message={row.message}
          outcomes={row.outcomes}
          isLast={row.isLast}
          running={working}
          waiting={waiting}
        />
      );
    case "compaction":
      return <CompactionRow reason={row.reason} summary={row.summary} chars={row.chars} />;
    case "marker":
      return <Divider>{row.text}</Divider>;
    case "pending":
      return <PendingRow chatId={chatId} pending={row.pending} />;
    default:
      return row satisfies never;
  }
});

/** Stands for what the turn does, after the last row. */
const atTheEnd = { kind: "status", key: "status" } as const;

/** Whether these rows have others before what was first until now: then the view keeps its distance from the end. */
function usePrepended(rows: readonly Row[]): boolean {
  const [known, setKnown] = useState({ rows, shift: false });
  if (known.rows !== rows) {
    const first = known.rows[0]?.key;
    const shift =
      first !== undefined && rows[0]?.key !== first && rows.some(({ key }) => key === first);
    setKnown({ rows, shift });
  }
  return known.shift;
}
