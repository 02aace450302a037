import { useChatActions, useChatValue, useSendMessage } from "@parley/client/react";
import type { Content } from "@parley/protocol";
import { ArrowUp, ListPlus, Split, Square, Zap } from "lucide-react";
import { useState, type ReactNode } from "react";
import { IconButton } from "../ui/icon-button.tsx";
import { showError } from "../ui/toast-store.ts";
import { BusyModeButton } from "./busy-mode-button.tsx";
import { useBusyMode, type BusyMode } from "./busy-mode.ts";
import { ComposerBox } from "./composer-box.tsx";
import { EffortPicker } from "./effort-picker.tsx";
import { ModelPicker } from "./model-picker.tsx";

/** Says something in a chat; while the model works, into its queue, into its turn, or instead of it. */
export function Composer({ chatId }: { chatId: string }): ReactNode {
  const status = useChatValue(chatId, (state) => state.transcript.status?.status);
  const archived = useChatValue(chatId, (state) => state.transcript.status?.archived ?? false);
  const turn = useChatValue(chatId, (state) => state.transcript.status?.turn_message_id ?? null);
  const model = useChatValue(chatId, (state) => state.transcript.chat?.model ?? null);
  const effort = useChatValue(chatId, (state) => state.transcript.chat?.reasoning_effort ?? null);
  const send = useSendMessage(chatId);
  const actions = useChatActions(chatId);
  const [mode, setMode] = useBusyMode();
  const [stopping, setStopping] = useState(false);
  const busy = status === "running" || status === "interrupting" || status === "requires_action";

  const say = async (
    content: Content,
    { alternative }: { alternative: boolean },
  ): Promise<void> => {
    try {
      await send({
        content,
        ...(busy ? { when_busy: alternative ? otherThan(mode) : mode } : {}),
      });
    } catch {
      // It stays in sight as not sent, with the reason, and can be sent again.
    }
  };
  const stop = async (): Promise<void> => {
    if (!busy || stopping) return;
    setStopping(true);
    try {
      await actions.interrupt(turn === null ? {} : { turn });
    } catch (error) {
      showError("It was not stopped", error);
    } finally {
      setStopping(false);
    }
  };
  const patch = async (change: Parameters<typeof actions.patchChat>[0]): Promise<void> => {
    try {
      await actions.patchChat(change);
    } catch (error) {
      showError("The chat was not changed", error);
    }
  };

  return (
    <div className="mx-auto w-full max-w-3xl px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-6">
      <ComposerBox
        draftKey={chatId}
        placeholder={placeholderOf(busy, mode, archived)}
        onSend={say}
        onEscape={() => void stop()}
        tools={
          <>
            <ModelPicker model={model} onChange={(next) => void patch({ model: next })} />
            <EffortPicker
              model={model}
              effort={effort}
              onChange={(next) => void patch({ reasoning_effort: next })}
            />
          </>
        }
        buttons={(submit) => (
          <>
            {busy && <BusyModeButton mode={mode} onChange={setMode} />}
            {busy && (
              <IconButton
                label="Stop"
                keys="escape"
                side="top"
                icon={<Square size={15} fill="currentColor" />}
                disabled={status === "interrupting" || stopping}
                onClick={() => void stop()}
                className="border border-line-strong text-ink"
              />
            )}
            {(!busy || submit !== null) && (
              <IconButton
                label={busy ? sendLabels[mode] : "Send"}
                keys="enter"
                side="top"
                icon={busy ? modeIcons[mode] : <ArrowUp size={18} />}
                disabled={submit === null}
                onClick={() => submit?.()}
                className="bg-accent text-on-accent hover:bg-accent-hover hover:text-on-accent"
              />
            )}
          </>
        )}
      />
    </div>
  );
}

const sendLabels: Record<BusyMode, string> = {
  queue: "Add to the queue",
  steer: "Steer the turn",
  interrupt: "Interrupt and send",
};

const modeIcons: Record<BusyMode, ReactNode> = {
  queue: <ListPlus size={18} />,
  steer: <Split size={18} />,
  interrupt: <Zap size={18} />,
};

/** With the modifier key: into the turn where the queue is the rule, and the other way round. */
function otherThan(mode: BusyMode): BusyMode {
  return mode === "queue" ? "steer" : "queue";
}

function placeholderOf(busy: boolean, mode: BusyMode, archived: boolean): string {
  if (archived) return "A message takes this chat out of the archive";
  if (!busy) return "Write a message";
  switch (mode) {
    case "queue":
      return "Write what comes next";
    case "steer":
      return "Say something into this turn";
    case "interrupt":
      return "Write what to do instead";
    default:
      return mode satisfies never;
  }
}
