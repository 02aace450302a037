import { useChatActions, useChatValue } from "@parley/client/react";
import type { ChatError, RetryState, Waiting } from "@parley/protocol";
import { CircleAlert, CirclePause, Hourglass, RotateCw } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { showError } from "../ui/toast-store.ts";
import { errorAdvice } from "./error-advice.ts";
import { useNow } from "./use-now.ts";

/** What the turn does, or why it does not, at the end of the transcript. */
export function TurnStatus({ chatId }: { chatId: string }): ReactNode {
  const status = useChatValue(chatId, (state) => state.transcript.status);
  const retry = useChatValue(chatId, (state) => state.transcript.retry);
  const error = useChatValue(chatId, (state) => state.transcript.error);
  const lastError = useChatValue(chatId, (state) => state.transcript.chat?.last_error ?? null);
  const silent = useChatValue(chatId, (state) => state.transcript.preview === null);
  if (status === null) return null;
  switch (status.status) {
    case "running":
      if (retry !== null) return <RetryNote retry={retry} />;
      if (status.waiting !== undefined) return <WaitingNote waiting={status.waiting} />;
      return silent ? <Working text="Working" /> : null;
    case "interrupting":
      return <Working text="Stopping" />;
    case "error": {
      const shown = error ?? lastError;
      return shown === null ? null : <ErrorBanner chatId={chatId} error={shown} />;
    }
    case "waiting":
    case "requires_action":
      return null;
    default:
      return status.status satisfies never;
  }
}

function Working({ text }: { text: string }): ReactNode {
  return (
    <output className="flex items-center gap-2 text-sm text-ink-muted">
      <span className="inline-flex gap-1" aria-hidden>
        {[0, 160, 320].map((delay) => (
          <span
            key={delay}
            className="size-1.5 animate-pulse rounded-full bg-accent"
            style={{ animationDelay: `${delay}ms` }}
          />
        ))}
      </span>
      <span className="sr-only">{text}…</span>
    </output>
  );
}

function WaitingNote({ waiting }: { waiting: Waiting }): ReactNode {
  const text =
    waiting.reason === "capacity"
      ? "All servers are busy. This chat runs as soon as one has room."
      : waiting.missing === undefined
        ? "No server can take this chat at the moment. It runs as soon as one can."
        : `No server has the provider “${waiting.missing}”. It runs as soon as one has, or with another model.`;
  return (
    <Banner tone="warn" icon={<Hourglass size={16} aria-hidden />}>
      {text}
    </Banner>
  );
}

function RetryNote({ retry }: { retry: RetryState }): ReactNode {
  const now = useNow();
  const seconds = Math.max(0, Math.ceil((Date.parse(retry.retrying_at) - now) / 1_000));
  return (
    <Banner tone="warn" icon={<RotateCw size={16} aria-hidden />}>
      {retry.message}{" "}
      <span className="tabular-nums">
        {seconds > 0 ? `Trying again in ${seconds} s` : "Trying again now"}
      </span>{" "}
      (attempt {retry.attempt} failed)
      {retry.next_model !== undefined && <> with {retry.next_model}</>}.
    </Banner>
  );
}

function ErrorBanner({ chatId, error }: { chatId: string; error: ChatError }): ReactNode {
  const actions = useChatActions(chatId);
  const queued = useChatValue(chatId, (state) => state.transcript.queue.length);
  const [busy, setBusy] = useState(false);
  const { title, next, action } = errorAdvice(error, queued);
  const go = async (): Promise<void> => {
    setBusy(true);
    try {
      await (action === "compact" ? actions.compact() : actions.retry());
    } catch (failure) {
      showError("It did not start again", failure);
    } finally {
      setBusy(false);
    }
  };
  const stopped = error.kind === "stopped";
  return (
    <Banner
      tone={stopped ? "warn" : "danger"}
      icon={stopped ? <CirclePause size={16} aria-hidden /> : <CircleAlert size={16} aria-hidden />}
      action={
        action !== null && (
          <Button size="sm" busy={busy} onClick={() => void go()}>
            {action === "compact" ? "Summarise and go on" : stopped ? "Go on" : "Try again"}
          </Button>
        )
      }
    >
      <strong className="font-semibold">{title}</strong>
      {!stopped && <span className="block break-words">{error.message}</span>}
      <span className="block text-ink-muted">{next}</span>
    </Banner>
  );
}

function Banner({
  tone,
  icon,
  children,
  action,
}: {
  tone: "warn" | "danger";
  icon: ReactNode;
  children: ReactNode;
  action?: ReactNode;
}): ReactNode {
  const look = tone === "warn" ? "bg-warn-soft text-warn" : "bg-danger-soft text-danger";
  return (
    <div
      role={tone === "danger" ? "alert" : "status"}
      className={`flex flex-wrap items-start gap-2.5 rounded-lg px-3.5 py-2.5 text-sm ${look}`}
    >
      <span className="mt-0.5 shrink-0">{icon}</span>
      <div className="min-w-48 flex-1 text-ink">{children}</div>
      {action}
    </div>
  );
}
