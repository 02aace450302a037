import { useClient } from "@parley/client/react";
import type { ReplicasAnswer } from "@parley/protocol";
import { lazy, Suspense, useCallback, useState, type ReactNode } from "react";
import { useMe } from "../session/session-gate.tsx";
import { Section } from "../settings/section.tsx";
import { Page } from "../shell/page.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { BacklogPanel } from "./backlog-panel.tsx";
import { ChatDialog } from "./chat-dialog.tsx";
import { ChatLookup } from "./chat-lookup.tsx";
import { ChatStates } from "./chat-states.tsx";
import { ReplicaCards } from "./replica-cards.tsx";
import { usePolled } from "./use-polled.ts";

const everyMs = 2_000;

// The library that draws is needed nowhere else.
const LivePlots = lazy(async () => ({
  default: (await import("./plots/live-plots.tsx")).LivePlots,
}));

/** What the replicas do: for whoever runs them. */
export function OperatorPage(): ReactNode {
  const { principal } = useMe();
  if (principal.is_admin) return <Deployment />;
  return (
    <Page title="Operator">
      <p className="text-ink-muted">
        This page is for administrators. Whoever runs this server can make you a token with{" "}
        <code className="rounded-sm bg-hover px-1 py-0.5 text-xs">parley token create --admin</code>
        .
      </p>
    </Page>
  );
}

function Deployment(): ReactNode {
  const client = useClient();
  const read = useCallback((signal: AbortSignal) => client.replicas({ signal }), [client]);
  const { value, error, reload } = usePolled(read, everyMs);
  return (
    <Page title="Operator" wide>
      {error !== null && (
        <p role="alert" className="mb-6 rounded-md bg-warn-soft px-4 py-2.5 text-sm text-warn">
          {value === null ? "This cannot be read" : "What is shown is old"}: {reasonOf(error)}
        </p>
      )}
      {value !== null && <Answer answer={value} onChanged={reload} />}
      {value === null && error === null && (
        <Spinner label="Loading the servers" className="text-ink-muted" />
      )}
    </Page>
  );
}

interface AnswerProps {
  answer: ReplicasAnswer;
  onChanged: () => void;
}

function Answer({ answer, onChanged }: AnswerProps): ReactNode {
  const [chatId, setChatId] = useState<string | null>(null);
  const { replicas, chats, backlog, slots } = answer;
  return (
    <div className="space-y-10">
      <div className="grid gap-4 lg:grid-cols-2">
        <ChatStates chats={chats} />
        <BacklogPanel replicas={replicas} backlog={backlog} slots={slots} />
      </div>
      <Section
        title="Servers"
        text="Each with the chats that it drives and how long those have been at work. Choose a chat to see its lease."
      >
        <ChatLookup onFound={setChatId} />
        <ReplicaCards replicas={replicas} onChat={setChatId} onChanged={onChanged} />
      </Section>
      {replicas.length > 0 && (
        <Section title="The last five minutes" text="A point for every five seconds.">
          <Suspense fallback={<Spinner label="Loading the pictures" className="text-ink-muted" />}>
            <LivePlots replicas={replicas} />
          </Suspense>
        </Section>
      )}
      {chatId !== null && <ChatDialog chatId={chatId} onClose={() => setChatId(null)} />}
    </div>
  );
}
