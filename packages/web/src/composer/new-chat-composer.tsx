import { useCreateChat, useModels } from "@parley/client/react";
import type { Content, ReasoningEffort } from "@parley/protocol";
import { ArrowUp } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { IconButton } from "../ui/icon-button.tsx";
import { showError } from "../ui/toast-store.ts";
import { ComposerBox } from "./composer-box.tsx";
import { EffortPicker } from "./effort-picker.tsx";
import { ModelPicker } from "./model-picker.tsx";

/** Begins a chat with its first message, and goes there. */
export function NewChatComposer(): ReactNode {
  const create = useCreateChat();
  const { models } = useModels();
  const [, navigate] = useLocation();
  const [model, setModel] = useState<string | null>(null);
  const [effort, setEffort] = useState<ReasoningEffort | null>(null);
  const [busy, setBusy] = useState(false);

  const begin = async (content: Content): Promise<void> => {
    setBusy(true);
    try {
      const { chat } = await create({
        content,
        // One that is not configured any more is not asked for.
        ...(models.some(({ id }) => id === model) && model !== null ? { model } : {}),
        ...(effort === null ? {} : { reasoning_effort: effort }),
      });
      navigate(`/chats/${chat.id}`);
    } catch (error) {
      showError("The chat was not begun", error);
      throw error;
    } finally {
      setBusy(false);
    }
  };

  return (
    <ComposerBox
      draftKey="new"
      placeholder="Ask anything"
      onSend={begin}
      tools={
        <>
          <ModelPicker model={model} onChange={setModel} />
          <EffortPicker model={model} effort={effort} onChange={setEffort} />
        </>
      }
      buttons={(submit) => (
        <IconButton
          label="Send"
          keys="enter"
          side="top"
          icon={<ArrowUp size={18} />}
          disabled={submit === null || busy}
          onClick={() => submit?.()}
          className="bg-accent text-on-accent hover:bg-accent-hover hover:text-on-accent"
        />
      )}
    />
  );
}
