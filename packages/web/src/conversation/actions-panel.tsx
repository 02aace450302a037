import { useChatActions, useChatValue } from "@parley/client/react";
import type { Json, PendingAction } from "@parley/protocol";
import { Check, ShieldQuestion, Wrench, X } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { showError } from "../ui/toast-store.ts";
import { Countdown } from "./countdown.tsx";
import { CodeBlock } from "./markdown/code-block.tsx";
import { readable } from "./parts/json.ts";

/** What the chat waits for: decisions about tools, and results of tools that clients run. */
export function ActionsPanel({ chatId }: { chatId: string }): ReactNode {
  const actions = useChatValue(chatId, (state) => state.transcript.actions?.actions);
  if (actions === undefined || actions.length === 0) return null;
  return (
    <ul className="mx-auto max-h-[45dvh] w-full max-w-3xl space-y-2 overflow-y-auto px-4 pb-2 sm:px-6">
      {actions.map((action) => (
        <li
          key={action.tool_call_id}
          className="rounded-lg border border-line-strong bg-surface p-3.5 text-sm shadow-card"
        >
          {action.kind === "approval" ? (
            <Approval chatId={chatId} action={action} />
          ) : (
            <ClientTool chatId={chatId} action={action} />
          )}
        </li>
      ))}
    </ul>
  );
}

interface ActionProps {
  chatId: string;
  action: PendingAction;
}

function Approval({ chatId, action }: ActionProps): ReactNode {
  const { decideApprovals: decide } = useChatActions(chatId);
  const [reason, setReason] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { tool_call_id, tool_name, deadline_at } = action;
  const send = async (decision: "approve" | "deny"): Promise<void> => {
    setBusy(true);
    const why = reason?.trim() ?? "";
    try {
      await decide([{ tool_call_id, decision, ...(why === "" ? {} : { reason: why }) }]);
    } catch (error) {
      showError("The decision was not taken", error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-label={`Approval of ${tool_name}`} className="space-y-2.5">
      <Heading
        icon={<ShieldQuestion size={16} aria-hidden className="text-warn" />}
        until={deadline_at}
      >
        Allow <code className="font-mono text-[0.95em]">{tool_name}</code>?
      </Heading>
      <Input input={action.input} />
      {reason !== null && (
        <input
          value={reason}
          // It was asked for just now.
          // oxlint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
          maxLength={2000}
          onChange={(event) => setReason(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") void send("deny");
            else if (event.key === "Escape") setReason(null);
          }}
          placeholder="Why not? The model reads it."
          aria-label="Reason"
          className="h-9 w-full rounded-md border border-line-strong bg-canvas px-3"
        />
      )}
      <div className="flex justify-end gap-2">
        <Button
          size="sm"
          icon={<X size={14} />}
          disabled={busy}
          onClick={() => (reason === null ? setReason("") : void send("deny"))}
        >
          Deny
        </Button>
        <Button
          size="sm"
          look="primary"
          icon={<Check size={14} />}
          disabled={busy}
          onClick={() => void send("approve")}
        >
          Approve
        </Button>
      </div>
    </section>
  );
}

/** A tool that the application of another client would run; here a person answers for it. */
function ClientTool({ chatId, action }: ActionProps): ReactNode {
  const { submitToolResults } = useChatActions(chatId);
  const [output, setOutput] = useState("");
  const [busy, setBusy] = useState(false);
  const { tool_call_id, tool_name, deadline_at } = action;
  const send = async (isError: boolean): Promise<void> => {
    setBusy(true);
    try {
      await submitToolResults([{ tool_call_id, output: jsonOrText(output), is_error: isError }]);
    } catch (error) {
      showError("The result was not taken", error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-label={`Result of ${tool_name}`} className="space-y-2.5">
      <Heading
        icon={<Wrench size={16} aria-hidden className="text-accent-ink" />}
        until={deadline_at}
      >
        <code className="font-mono text-[0.95em]">{tool_name}</code> waits for its result
      </Heading>
      <Input input={action.input} />
      <textarea
        value={output}
        onChange={(event) => setOutput(event.target.value)}
        placeholder="The result, as text or JSON"
        aria-label={`Result of ${tool_name}`}
        rows={2}
        className="field-sizing-content max-h-40 w-full resize-none rounded-md border border-line-strong bg-canvas px-3 py-2"
      />
      <div className="flex justify-end gap-2">
        <Button size="sm" disabled={busy} onClick={() => void send(true)}>
          It failed
        </Button>
        <Button
          size="sm"
          look="primary"
          disabled={busy || output.trim() === ""}
          onClick={() => void send(false)}
        >
          Submit
        </Button>
      </div>
    </section>
  );
}

function Heading({
  icon,
  until,
  children,
}: {
  icon: ReactNode;
  until: string | null;
  children: ReactNode;
}): ReactNode {
  return (
    <div className="flex items-center gap-2">
      {icon}
      <h2 className="min-w-0 flex-1 truncate font-medium">{children}</h2>
      <Countdown until={until} />
    </div>
  );
}

function Input({ input }: { input: Json }): ReactNode {
  const { text, language } = readable(input);
  if (text === "{}" || text === "null") return null;
  return <CodeBlock label="Arguments" code={text} language={language} />;
}

function jsonOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
