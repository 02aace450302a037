import { useChatActions, useClient } from "@parley/client/react";
import type { Message, MessageVersionsAnswer } from "@parley/protocol";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf, showError } from "../ui/toast-store.ts";
import { contentOf } from "./content.ts";
import { Parts } from "./parts/parts.tsx";
import { Timeline, type Row } from "./timeline.ts";
import { UserContent } from "./user-content.tsx";

const nothing: ReadonlySet<string> = new Set();

/** What stood in a message's place before it was edited, with the answers of then. */
export function VersionsDialog({
  message,
  onClose,
}: {
  message: Message;
  onClose: () => void;
}): ReactNode {
  const client = useClient();
  const actions = useChatActions(message.chat_id);
  const [answer, setAnswer] = useState<MessageVersionsAnswer | Error | null>(null);
  const [at, setAt] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    client
      .messageVersions(message.chat_id, message.id, { signal: stop.signal })
      .then(setAnswer)
      .catch((error: unknown) => {
        if (!stop.signal.aborted)
          setAnswer(error instanceof Error ? error : new Error(String(error)));
      });
    return () => stop.abort();
  }, [client, message.chat_id, message.id]);

  const versions = answer === null || answer instanceof Error ? [] : answer.versions;
  const version = versions[at];
  const rows = useMemo(
    () => new Timeline().rowsOf({ messages: version?.messages ?? [], preview: null }, []),
    [version],
  );
  const first = version?.messages[0];
  const restore = async (): Promise<void> => {
    if (first === undefined) return;
    try {
      await actions.editMessage(message.id, { content: contentOf(first.parts), keep_queue: true });
      onClose();
    } catch (error) {
      showError("The earlier message was not sent", error);
    }
  };
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => open || onClose()}
      title="Before the edit"
      description="Nothing of this is sent to the model any more."
      actions={
        first !== undefined && (
          <Button onClick={() => void restore()}>Send this version again</Button>
        )
      }
    >
      {answer === null && <Spinner label="Loading earlier versions" />}
      {answer instanceof Error && <p className="text-danger">{reasonOf(answer)}</p>}
      {answer !== null && !(answer instanceof Error) && versions.length === 0 && (
        <p className="text-ink-muted">No earlier version is kept.</p>
      )}
      {versions.length > 1 && (
        <div className="mb-4 flex flex-wrap gap-1" role="tablist" aria-label="Versions">
          {versions.map((each, n) => (
            <button
              key={each.messages[0]?.id}
              type="button"
              role="tab"
              aria-selected={n === at}
              onClick={() => setAt(n)}
              className="rounded-md px-2.5 py-1 text-sm text-ink-muted hover:bg-hover aria-selected:bg-accent-soft aria-selected:text-accent-ink"
            >
              {n === 0 ? "Last" : `${n + 1} back`}
            </button>
          ))}
        </div>
      )}
      <div className="space-y-4">
        {rows.map((row) => (
          <OldRow key={row.key} row={row} />
        ))}
        {version?.has_more === true && <p className="text-sm text-ink-muted">… and more.</p>}
      </div>
    </Dialog>
  );
}

function OldRow({ row }: { row: Row }): ReactNode {
  if (row.kind === "user") {
    return (
      <div className="flex flex-col items-end">
        <UserContent parts={row.message.parts} />
      </div>
    );
  }
  if (row.kind !== "assistant") return null;
  return (
    <div className="space-y-3">
      <Parts
        parts={row.parts}
        outcomes={row.outcomes}
        live={false}
        running={false}
        waiting={nothing}
      />
    </div>
  );
}
