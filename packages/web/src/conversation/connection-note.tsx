import { useChatValue } from "@parley/client/react";
import { Unplug } from "lucide-react";
import type { ReactNode } from "react";
import { reasonOf } from "../ui/toast-store.ts";

/** While the stream is away: what is on the screen stays, and goes on by itself. */
export function ConnectionNote({ chatId }: { chatId: string }): ReactNode {
  const connection = useChatValue(chatId, (state) => state.connection);
  const ended = useChatValue(chatId, (state) => state.ended);
  if (ended !== null) return <Note text={`No longer live: ${reasonOf(ended)}`} />;
  if (connection !== "reconnecting") return null;
  return <Note text="Connection lost. Reconnecting; nothing is lost." />;
}

function Note({ text }: { text: string }): ReactNode {
  return (
    <output className="mx-auto mb-2 flex animate-fade items-center gap-2 rounded-full bg-warn-soft px-3.5 py-1 text-sm text-ink [animation-delay:600ms] [animation-fill-mode:backwards]">
      <Unplug size={14} aria-hidden className="text-warn" />
      {text}
    </output>
  );
}
