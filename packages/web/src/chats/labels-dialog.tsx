import { useClient } from "@parley/client/react";
import type { Chat } from "@parley/protocol";
import { useState, type ReactNode, type SyntheticEvent } from "react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/text-field.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { labelsText, parseLabels } from "./labels.ts";

export function LabelsDialog({ chat, onClose }: { chat: Chat; onClose: () => void }): ReactNode {
  const client = useClient();
  const [text, setText] = useState(labelsText(chat.labels));
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const save = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await client.patchChat(chat.id, { labels: parseLabels(text) });
      onClose();
    } catch (error) {
      setBusy(false);
      setProblem(reasonOf(error));
    }
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Labels"
      description="Words to find the chat by, in the list's filter and over the API."
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" form="labels" busy={busy}>
            Save
          </Button>
        </>
      }
    >
      <form id="labels" onSubmit={(event) => void save(event)}>
        <TextField
          label="Labels, with commas between them"
          placeholder="urgent, team: support"
          value={text}
          onChange={setText}
          problem={problem}
          autoFocus
        />
      </form>
    </Dialog>
  );
}
