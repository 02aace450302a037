import type { Token } from "@parley/protocol";
import { Plus } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { NewTokenDialog } from "./new-token-dialog.tsx";
import { RevokeDialog } from "./revoke-dialog.tsx";
import { Rows, Section } from "./section.tsx";
import { useTokens } from "./use-tokens.ts";
import { ageOf, dateOf } from "./when.ts";

/** The tokens of whoever is signed in: one for each program and browser, so that each can be taken back alone. */
export function TokensSection(): ReactNode {
  const { tokens, error, reload } = useTokens();
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  return (
    <Section
      title="Access tokens"
      text="A token may do everything that you may. Give each program and each browser one of its own."
      action={
        <Button icon={<Plus size={16} />} onClick={() => setCreating(true)}>
          New token
        </Button>
      }
    >
      {error !== null && (
        <p className="text-sm text-danger">They cannot be read: {reasonOf(error)}</p>
      )}
      {tokens === null && error === null && (
        <Spinner label="Loading the tokens" className="text-ink-muted" />
      )}
      {tokens !== null && (
        <Rows>
          {tokens.map((token) => (
            <li key={token.id} className="flex items-center gap-3 px-4 py-3">
              <div className="min-w-0 flex-1">
                <p className="flex items-center gap-2 text-sm font-medium">
                  <span className="truncate">{token.name}</span>
                  {token.is_current && <Badge look="accent">This browser</Badge>}
                </p>
                <p className="text-xs text-ink-muted">
                  Made {dateOf(token.created_at)}
                  {token.last_used_at === null
                    ? ", never used"
                    : `, used ${ageOf(token.last_used_at)}`}
                  {token.expires_at !== null && `, good until ${dateOf(token.expires_at)}`}
                </p>
              </div>
              <Button
                look="quiet"
                size="sm"
                aria-label={`Revoke ${token.name}`}
                onClick={() => setRevoking(token)}
              >
                Revoke
              </Button>
            </li>
          ))}
        </Rows>
      )}
      {creating && <NewTokenDialog onMade={reload} onClose={() => setCreating(false)} />}
      {revoking !== null && (
        <RevokeDialog token={revoking} onRevoked={reload} onClose={() => setRevoking(null)} />
      )}
    </Section>
  );
}
