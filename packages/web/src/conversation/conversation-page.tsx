import { useChatControls, useChatValue } from "@parley/client/react";
import { lazy, Suspense, type ReactNode } from "react";
import { Link } from "wouter";
import { Composer } from "../composer/composer.tsx";
import { PageHeader } from "../shell/page-header.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { ActionsPanel } from "./actions-panel.tsx";
import { ChatHeader } from "./chat-header.tsx";
import { ConnectionNote } from "./connection-note.tsx";
import { Notices } from "./notices.tsx";
import { Thread } from "./thread.tsx";
import { isForQueue } from "./timeline.ts";

const QueuePanel = lazy(async () => ({
  default: (await import("../composer/queue-panel.tsx")).QueuePanel,
}));

/** One chat: its transcript, live, and the composer under it. */
export function ConversationPage({ chatId }: { chatId: string }): ReactNode {
  // Not the whole chat: with each live part everything below would be drawn again.
  const ready = useChatValue(chatId, ({ transcript }) => transcript.ready);
  const gone = useChatValue(chatId, ({ transcript, ended }) =>
    transcript.chat === null ? ended : null,
  );
  const { loadOlder } = useChatControls(chatId);
  if (gone !== null) return <Gone error={gone} />;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ChatHeader chatId={chatId} />
      <main id="main" tabIndex={-1} className="flex min-h-0 flex-1 flex-col outline-none">
        {ready ? (
          <Thread chatId={chatId} loadOlder={loadOlder} />
        ) : (
          <div className="grid flex-1 animate-fade place-items-center text-ink-muted [animation-delay:300ms] [animation-fill-mode:backwards]">
            <Spinner label="Loading the chat" />
          </div>
        )}
        <ConnectionNote chatId={chatId} />
        <Notices chatId={chatId} />
        <ActionsPanel chatId={chatId} />
        <Queue chatId={chatId} />
        <Composer chatId={chatId} />
      </main>
    </div>
  );
}

/** What it is dragged with is fetched where something waits, and most chats never have that. */
function Queue({ chatId }: { chatId: string }): ReactNode {
  const waits = useChatValue(
    chatId,
    ({ transcript, pending }) => transcript.queue.length > 0 || pending.some(isForQueue),
  );
  if (!waits) return null;
  return (
    <Suspense fallback={null}>
      <QueuePanel chatId={chatId} />
    </Suspense>
  );
}

function Gone({ error }: { error: Error }): ReactNode {
  return (
    <div className="flex h-full flex-col">
      <PageHeader title="Chat" />
      <main id="main" tabIndex={-1} className="grid flex-1 place-items-center p-6 text-center">
        <div className="max-w-sm space-y-3">
          <h2 className="text-lg font-semibold">This chat cannot be shown</h2>
          <p className="text-ink-muted">{reasonOf(error)}</p>
          <Link href="/" className="inline-block text-accent-ink underline underline-offset-4">
            Begin a new one
          </Link>
        </div>
      </main>
    </div>
  );
}
