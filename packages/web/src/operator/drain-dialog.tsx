import { useClient } from "@parley/client/react";
import type { ReplicaInfo } from "@parley/protocol";
import { useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { showError } from "../ui/toast-store.ts";
import { nameOf } from "./replica-name.ts";

export interface DrainDialogProps {
  replica: ReplicaInfo;
  /** No other takes chats. */
  isLast: boolean;
  onDrained: () => void;
  onClose: () => void;
}

export function DrainDialog({ replica, isLast, onDrained, onClose }: DrainDialogProps): ReactNode {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const name = nameOf(replica);
  const drain = async (): Promise<void> => {
    setBusy(true);
    try {
      await client.drainReplica(replica.id);
      onClose();
      onDrained();
    } catch (error) {
      setBusy(false);
      showError(`${name} was not drained`, error);
    }
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => open || onClose()}
      title={`Drain ${name}?`}
      description="It lets what it is at come to the end of a step, hands its chats to the others, and takes no more. Its process stays, with its pages and its API, until it is stopped; only a restart makes it take chats again."
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look={isLast ? "danger" : "primary"} busy={busy} onClick={() => void drain()}>
            Drain it
          </Button>
        </>
      }
    >
      {isLast && (
        <p className="rounded-md bg-warn-soft px-3 py-2.5 text-sm text-warn">
          No other server takes chats: until one does, every chat waits, and nobody is answered.
        </p>
      )}
    </Dialog>
  );
}
