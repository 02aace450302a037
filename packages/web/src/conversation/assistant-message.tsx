import { useChatActions } from "@parley/client/react";
import type { FinishReason, Message, Part } from "@parley/protocol";
import { Check, Copy, GitFork, OctagonX, Scissors, ShieldAlert } from "lucide-react";
import { memo, type ReactNode } from "react";
import { useLocation } from "wouter";
import { IconButton } from "../ui/icon-button.tsx";
import { showError } from "../ui/toast-store.ts";
import { textOf } from "./content.ts";
import { moneyText, tokensText } from "./money.ts";
import { Parts } from "./parts/parts.tsx";
import type { CallOutcome } from "./timeline.ts";
import { useCopied } from "./use-copied.ts";

export interface AssistantMessageProps {
  chatId: string;
  parts: readonly Part[];
  /** Null while it is generated. */
  message: Message | null;
  outcomes: ReadonlyMap<string, CallOutcome>;
  isLast: boolean;
  /** Calls without a result still run. */
  running: boolean;
  waiting: ReadonlySet<string>;
}

/** One step of a reply, while it is generated and after. */
export const AssistantMessage = memo(function AssistantMessage({
  chatId,
  parts,
  message,
  outcomes,
  isLast,
  running,
  waiting,
}: AssistantMessageProps): ReactNode {
  return (
    <article
      aria-label="Reply"
      aria-busy={message === null || undefined}
      className="group space-y-3"
      data-message={message?.id}
    >
      <Parts
        parts={parts}
        outcomes={outcomes}
        live={message === null}
        running={running}
        waiting={waiting}
      />
      {message !== null && <Ending reason={message.finish_reason} />}
      {message !== null && isLast && <Footer chatId={chatId} message={message} />}
    </article>
  );
});

function Footer({ chatId, message }: { chatId: string; message: Message }): ReactNode {
  const [copied, copy] = useCopied();
  const [, navigate] = useLocation();
  const actions = useChatActions(chatId);
  const fork = async (): Promise<void> => {
    try {
      const chat = await actions.forkChat({ message_id: message.id });
      navigate(`/chats/${chat.id}`);
    } catch (error) {
      showError("The chat was not forked", error);
    }
  };
  return (
    <div className="-ml-1.5 flex h-7 items-center gap-0.5 text-xs text-ink-faint">
      <span className="flex opacity-0 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100">
        <IconButton
          size="sm"
          label={copied ? "Copied" : "Copy reply"}
          icon={copied ? <Check size={15} /> : <Copy size={15} />}
          onClick={() => void copy(textOf(message.parts))}
        />
        <IconButton
          size="sm"
          label="Fork from here"
          icon={<GitFork size={15} />}
          onClick={() => void fork()}
        />
      </span>
      <span className="truncate px-1 opacity-0 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100">
        {[message.model, usageText(message)].filter(Boolean).join(" · ")}
      </span>
    </div>
  );
}

function usageText({ usage }: Message): string | null {
  if (usage === null) return null;
  const { input_tokens = 0, output_tokens = 0, cost_usd_micros } = usage;
  const tokens = `${tokensText(input_tokens)} → ${tokensText(output_tokens)} tokens`;
  return cost_usd_micros === undefined ? tokens : `${tokens} · ${moneyText(cost_usd_micros)}`;
}

/** Why a reply is not whole, where it is not. */
function Ending({ reason }: { reason: FinishReason | null }): ReactNode {
  switch (reason) {
    case "interrupted":
      return note(<OctagonX size={14} aria-hidden />, "Stopped. What was said is kept.");
    case "error":
      return note(<OctagonX size={14} aria-hidden />, "Broken off by an error.");
    case "length":
      return note(<Scissors size={14} aria-hidden />, "Cut off at the model's output limit.");
    case "content_filter":
      return note(
        <ShieldAlert size={14} aria-hidden />,
        "Cut off by the provider's content filter.",
      );
    default:
      return null;
  }
}

function note(icon: ReactNode, text: string): ReactNode {
  return (
    <p className="flex items-center gap-1.5 text-sm text-ink-muted">
      {icon}
      {text}
    </p>
  );
}
