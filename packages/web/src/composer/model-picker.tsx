import { useModels } from "@parley/client/react";
import type { Model } from "@parley/protocol";
import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { Menu, MenuRadio } from "../ui/menu.tsx";

export interface ModelPickerProps {
  /** Null: the server's default. */
  model: string | null;
  onChange: (model: string) => void;
}

/** The model that answers, by the name that its provider gives it. */
export function ModelPicker({ model, onChange }: ModelPickerProps): ReactNode {
  const { models } = useModels();
  const current = model ?? models.find(({ is_default }) => is_default)?.id ?? "";
  if (current === "") return null;
  const known = models.some(({ id }) => id === current);
  return (
    <Menu
      side="top"
      trigger={
        <button
          type="button"
          aria-label={`Model: ${current}`}
          className="inline-flex h-9 min-w-0 items-center gap-1 rounded-md px-2.5 text-sm text-ink-muted hover:bg-hover hover:text-ink data-[state=open]:bg-hover"
        >
          <span className="truncate">{nameOf(current)}</span>
          <ChevronDown size={14} aria-hidden className="shrink-0" />
        </button>
      }
    >
      {providersOf(models).map(([provider, list]) => (
        <MenuRadio
          key={provider}
          label={provider}
          value={current}
          onChange={onChange}
          options={list.map(({ id, name, context_window_tokens }) => ({
            value: id,
            label: name,
            ...(context_window_tokens === null ? {} : { hint: windowText(context_window_tokens) }),
          }))}
        />
      ))}
      {!known && (
        <MenuRadio
          label="This chat's model"
          value={current}
          onChange={onChange}
          options={[{ value: current, label: current }]}
        />
      )}
    </Menu>
  );
}

function providersOf(models: readonly Model[]): [string, Model[]][] {
  return [...Map.groupBy(models, ({ provider }) => provider)];
}

function nameOf(id: string): string {
  return id.slice(id.indexOf("/") + 1);
}

function windowText(tokens: number): string {
  return tokens >= 1_000_000
    ? `${Math.round(tokens / 100_000) / 10} M tokens of context`
    : `${Math.round(tokens / 1_000)} k tokens of context`;
}
