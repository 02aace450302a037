import { useChatValue } from "@parley/client/react";
import { PlugZap } from "lucide-react";
import type { ReactNode } from "react";

/** What people should know of this chat while it lasts: a tool server that is down. */
export function Notices({ chatId }: { chatId: string }): ReactNode {
  const notices = useChatValue(chatId, (state) => state.transcript.chat?.notices);
  if (notices === undefined || notices.length === 0) return null;
  return (
    <ul className="mx-auto w-full max-w-3xl space-y-1.5 px-4 pb-2 sm:px-6" aria-label="Notices">
      {notices.map(({ server, problem, since }) => (
        <li
          key={server}
          className="flex items-start gap-2 rounded-lg bg-warn-soft px-3.5 py-2 text-sm"
          title={`Since ${new Date(since).toLocaleString()}`}
        >
          <PlugZap size={15} aria-hidden className="mt-0.5 shrink-0 text-warn" />
          <span>
            The tools of <strong className="font-semibold">{server}</strong> are not to be had:{" "}
            {problem}. The chat goes on without them.
          </span>
        </li>
      ))}
    </ul>
  );
}
