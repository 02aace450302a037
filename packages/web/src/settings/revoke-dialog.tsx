import { useClient } from "@parley/client/react";
import type { Token } from "@parley/protocol";
import { useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { showError } from "../ui/toast-store.ts";

export interface RevokeDialogProps {
  token: Token;
  onRevoked: () => void;
  onClose: () => void;
}

export function RevokeDialog({ token, onRevoked, onClose }: RevokeDialogProps): ReactNode {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const revoke = async (): Promise<void> => {
    setBusy(true);
    try {
      await client.revokeToken(token.id);
      onClose();
      onRevoked();
    } catch (error) {
      setBusy(false);
      showError("The token was not revoked", error);
    }
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Revoke “${token.name}”?`}
      description={
        token.is_current
          ? "This browser is signed in with it, and is signed out at once. Make sure that you have another way in."
          : "Whatever uses it is cut off at once. That cannot be undone."
      }
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look="danger" busy={busy} onClick={() => void revoke()}>
            Revoke
          </Button>
        </>
      }
    />
  );
}
