import { LogOut } from "lucide-react";
import type { ReactNode } from "react";
import { useMe } from "../session/session-gate.tsx";
import { signOut } from "../session/session-store.ts";
import { Button } from "../ui/button.tsx";
import { showError } from "../ui/toast-store.ts";
import { Section } from "./section.tsx";

export function AboutSection(): ReactNode {
  const { principal, server } = useMe();
  const leave = (): void => {
    void signOut().catch((error: unknown) => showError("You are still signed in", error));
  };
  return (
    <Section
      title="About"
      text="Parley keeps chats on the server: they go on when this page is closed, and every page shows the same."
      action={
        <Button icon={<LogOut size={15} />} onClick={leave}>
          Sign out
        </Button>
      }
    >
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-2 rounded-lg border border-line bg-surface px-4 py-3.5 text-sm">
        <dt className="text-ink-muted">Signed in as</dt>
        <dd>
          {principal.name}
          {principal.is_admin && <span className="text-ink-muted"> (administrator)</span>}
        </dd>
        <dt className="text-ink-muted">Version</dt>
        <dd>{server.version}</dd>
        <dt className="text-ink-muted">API</dt>
        <dd>
          <a
            href="/api/v1/openapi.json"
            className="text-accent-ink underline decoration-1 underline-offset-4"
          >
            OpenAPI document
          </a>
        </dd>
      </dl>
    </Section>
  );
}
