import { useModels } from "@parley/client/react";
import type { Model } from "@parley/protocol";
import type { ReactNode } from "react";
import { Badge } from "../ui/badge.tsx";
import { Spinner } from "../ui/spinner.tsx";
import { reasonOf } from "../ui/toast-store.ts";
import { Rows, Section } from "./section.tsx";

const keys = [
  { provider: "Anthropic", env: "ANTHROPIC_API_KEY" },
  { provider: "OpenAI", env: "OPENAI_API_KEY" },
  { provider: "Google", env: "GOOGLE_GENERATIVE_AI_API_KEY" },
];

/** Which models there are; the server's configuration decides it. */
export function ModelsSection(): ReactNode {
  const { models, ready, error } = useModels();
  const onlyDemo = ready && models.every(({ provider }) => provider === "demo");
  return (
    <Section
      title="Models"
      text="What the providers of this server offer. Each chat, and each message, may name another one."
    >
      {error !== null && (
        <p className="text-sm text-danger">They cannot be read: {reasonOf(error)}</p>
      )}
      {!ready && error === null && (
        <Spinner label="Loading the models" className="text-ink-muted" />
      )}
      {ready && (
        <Rows>
          {models.map((model) => (
            <ModelRow key={model.id} model={model} />
          ))}
        </Rows>
      )}
      {onlyDemo && (
        <p className="mt-3 text-sm text-ink-muted">
          Only the built-in demo is set up. Others come with their key in the server’s environment:{" "}
          {keys.map(({ provider, env }, at) => (
            <span key={env}>
              {at > 0 && ", "}
              <code className="rounded-sm bg-hover px-1 py-0.5 text-xs">{env}</code> for {provider}
            </span>
          ))}
          .
        </p>
      )}
    </Section>
  );
}

function ModelRow({ model }: { model: Model }): ReactNode {
  const { id, name, provider, context_window_tokens: window, is_default: isDefault } = model;
  return (
    <li className="flex items-center gap-3 px-4 py-3">
      <div className="min-w-0 flex-1">
        <p className="flex items-center gap-2 text-sm font-medium">
          <span className="truncate">{name}</span>
          {isDefault && <Badge look="accent">Default</Badge>}
        </p>
        <p className="truncate font-mono text-xs text-ink-muted">{id}</p>
      </div>
      <p className="text-right text-xs text-ink-muted">
        <span className="block capitalize">{provider}</span>
        {window !== null && <span className="block">{tokens(window)} tokens</span>}
      </p>
    </li>
  );
}

function tokens(count: number): string {
  return count.toLocaleString(undefined, { notation: "compact", maximumFractionDigits: 1 });
}
