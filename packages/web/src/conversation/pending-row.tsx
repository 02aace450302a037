import type { PendingMessage } from "@parley/client";
import { usePendingMessages } from "@parley/client/react";
import { RotateCw, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { reasonOf, showError } from "../ui/toast-store.ts";
import { partsOf } from "./content.ts";
import { UserContent } from "./user-content.tsx";

/** A message on its way; one that did not arrive stays until it is sent again or given up. */
export function PendingRow({
  chatId,
  pending,
}: {
  chatId: string;
  pending: PendingMessage;
}): ReactNode {
  const { retry, discard } = usePendingMessages(chatId);
  const failed = pending.state === "failed";
  return (
    <div className="flex flex-col items-end" data-pending={pending.state}>
      <UserContent parts={partsOf(pending.content)} faded />
      {failed && (
        <div
          role="alert"
          className="mt-1.5 flex flex-wrap items-center justify-end gap-2 text-sm text-danger"
        >
          <span>Not sent: {reasonOf(pending.error)}</span>
          <Button
            size="sm"
            icon={<RotateCw size={14} />}
            onClick={() => {
              retry(pending.client_id).catch((error: unknown) =>
                showError("The message was not sent", error),
              );
            }}
          >
            Send again
          </Button>
          <Button
            size="sm"
            look="quiet"
            icon={<Trash2 size={14} />}
            onClick={() => discard(pending.client_id)}
          >
            Discard
          </Button>
        </div>
      )}
    </div>
  );
}
