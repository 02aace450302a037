import { useClient } from "@parley/client/react";
import type { LedgerRow, OperatorChatAnswer } from "@parley/protocol";
import { useCallback, type ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { hostOf, lasting, plural, shortId } from "./wording.ts";
import { usePolled } from "./use-polled.ts";

const everyMs = 2_000;

export interface ChatDialogProps {
  chatId: string;
  onClose: () => void;
}

/** How one chat stands: who holds it, at which versions, and what it has under way. */
export function ChatDialog({ chatId, onClose }: ChatDialogProps): ReactNode {
  const client = useClient();
  const read = useCallback(
    (signal: AbortSignal) => client.operatorChat(chatId, { signal }),
    [client, chatId],
  );
  const { value, error } = usePolled(read, everyMs);
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => open || onClose()}
      title={`Chat ${shortId(chatId)}`}
      description="How it stands. What is said in it is its owner’s, and not shown here."
    >
      {error !== null && <p className="mb-4 text-sm text-danger">{reasonOf(error)}</p>}
      {value === null && error === null && (
        <Spinner label="Loading the chat" className="text-ink-muted" />
      )}
      {value !== null && <Standing answer={value} />}
    </Dialog>
  );
}

function Standing({ answer }: { answer: OperatorChatAnswer }): ReactNode {
  const { chat, retry, attempts, ledger, waiting } = answer;
  const { versions } = chat;
  return (
    <div className="space-y-6 pb-1">
      <p className="flex flex-wrap items-center gap-2 text-sm">
        <Badge look={chat.status === "error" ? "danger" : "accent"}>
          {chat.state} · {chat.status.replaceAll("_", " ")}
        </Badge>
        {chat.archived && <Badge>archived</Badge>}
        {waiting !== null && (
          <Badge look="warn">
            {waiting === "capacity" ? "waits for room" : "waits for a server"}
          </Badge>
        )}
        {chat.error_kind !== null && <Badge look="danger">{chat.error_kind}</Badge>}
        <span className="text-ink-muted">
          {chat.model}
          {chat.runnable_ms !== null && ` · at work for ${lasting(chat.runnable_ms)}`}
          {chat.queue_length > 0 && ` · ${chat.queue_length} in its queue`}
        </span>
      </p>
      <Part title="Lease">
        <Lease answer={answer} />
      </Part>
      <Part title="Versions">
        <Pairs
          pairs={[
            ["Snapshot", versions.snapshot],
            ["History", versions.history],
            ["Queue", versions.queue],
            ["Retry", versions.retry_state],
            ["Metadata", versions.metadata],
            ["Attempt", chat.generation_attempt],
            ["Takeovers", chat.takeovers],
          ]}
        />
      </Part>
      <Part title="Attempts">
        {attempts.length === 0 && retry === null ? (
          <Nothing>No live text of it is kept.</Nothing>
        ) : (
          <ul className="space-y-1 text-sm">
            {retry !== null && (
              <li>
                Attempt {retry.attempt} failed ({retry.kind.replaceAll("_", " ")}), and is tried
                again after {lasting(retry.delay_ms)}.
              </li>
            )}
            {attempts.map(({ history_version: history, generation_attempt: attempt, parts }) => (
              <li key={`${history} ${attempt}`} className="tabular-nums">
                Attempt {attempt} at history {history}: {plural(parts, "part")} kept
              </li>
            ))}
          </ul>
        )}
      </Part>
      <Part title="Tool calls">
        {ledger.length === 0 ? (
          <Nothing>It has made none.</Nothing>
        ) : (
          <ul className="divide-y divide-line rounded-md border border-line">
            {ledger.map((row) => (
              <Call key={row.id} row={row} />
            ))}
          </ul>
        )}
      </Part>
      <Part title="Names">
        <dl className="space-y-1 text-sm">
          <Name of="Chat" id={chat.id} />
          <Name of="Owner" id={chat.owner_id} />
          {chat.parent_chat_id !== null && <Name of="Parent" id={chat.parent_chat_id} />}
        </dl>
      </Part>
    </div>
  );
}

function Lease({ answer: { lease, slot } }: { answer: OperatorChatAnswer }): ReactNode {
  if (lease === null) return <Nothing>Nobody drives it.</Nothing>;
  const { worker_id, runner_id, address, beat_ms: beatMs, alive } = lease;
  return (
    <div className="text-sm">
      <p className="mb-2 flex flex-wrap items-center gap-2">
        <Badge look={alive ? "ok" : "danger"}>{alive ? "held" : "its server is dead"}</Badge>
        <span>
          {hostOf(address) ?? `Server ${shortId(worker_id)}`}
          {beatMs !== null && `, beat ${lasting(beatMs)} ago`}
        </span>
        <span className="text-ink-muted">
          {slot === null ? "Nothing in flight: it takes no room." : "A step is in flight."}
        </span>
      </p>
      <dl className="space-y-1">
        <Name of="Worker" id={worker_id} />
        <Name of="Runner" id={runner_id} />
      </dl>
    </div>
  );
}

const looks: Readonly<Record<string, "ok" | "warn" | "danger" | "accent">> = {
  finished: "ok",
  started: "accent",
  unknown: "danger",
  denied: "warn",
};

function Call({ row }: { row: LedgerRow }): ReactNode {
  return (
    <li className="flex items-center gap-3 px-3 py-2 text-sm">
      <span className="min-w-0 flex-1 truncate font-mono text-xs">{row.tool_name}</span>
      <span className="text-xs text-ink-muted">
        {row.kind === "client" ? "run by the client" : "run by the server"}
        {row.needs_approval && ", with approval"}
      </span>
      <Badge look={looks[row.state] ?? "plain"}>{row.state}</Badge>
    </li>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <section>
      <h3 className="mb-2 text-xs font-medium text-ink-muted">{title}</h3>
      {children}
    </section>
  );
}

function Nothing({ children }: { children: ReactNode }): ReactNode {
  return <p className="text-sm text-ink-muted">{children}</p>;
}

function Pairs({ pairs }: { pairs: readonly (readonly [string, number])[] }): ReactNode {
  return (
    <dl className="flex flex-wrap gap-2">
      {pairs.map(([name, value]) => (
        <div key={name} className="min-w-20 rounded-md bg-sunken px-3 py-2">
          <dt className="text-xs text-ink-muted">{name}</dt>
          <dd className="text-lg font-medium tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Name({ of, id }: { of: string; id: string }): ReactNode {
  return (
    <div className="flex gap-3">
      <dt className="w-16 shrink-0 text-ink-muted">{of}</dt>
      <dd className="min-w-0 font-mono text-xs leading-5 break-all">{id}</dd>
    </div>
  );
}
