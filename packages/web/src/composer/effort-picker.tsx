import { useModels } from "@parley/client/react";
import type { ReasoningEffort } from "@parley/protocol";
import { Brain, ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { Menu, MenuRadio } from "../ui/menu.tsx";

export interface EffortPickerProps {
  /** Null: the server's default. */
  model: string | null;
  /** Null: the model's default. */
  effort: string | null;
  onChange: (effort: ReasoningEffort | null) => void;
}

/** Offered for models of which nobody has said what they take. */
const commonEfforts: readonly ReasoningEffort[] = ["low", "medium", "high"];

const names: Record<string, string | undefined> & Record<ReasoningEffort, string> = {
  none: "None",
  minimal: "Minimal",
  low: "Low",
  medium: "Medium",
  high: "High",
  xhigh: "Very high",
  max: "As high as it goes",
};

/** How much the model thinks before it answers; nothing for models that do not. */
export function EffortPicker({ model, effort, onChange }: EffortPickerProps): ReactNode {
  const { models } = useModels();
  const info = models.find(({ id, is_default }) => (model === null ? is_default : id === model));
  const efforts = info?.reasoning_efforts ?? commonEfforts;
  if (efforts.length === 0) return null;
  const byDefault = info?.default_reasoning_effort ?? null;
  return (
    <Menu
      side="top"
      trigger={
        <button
          type="button"
          aria-label={`Reasoning effort: ${effort === null ? "default" : (names[effort] ?? effort)}`}
          className="inline-flex h-9 shrink-0 items-center gap-1 rounded-md px-2.5 text-sm text-ink-muted hover:bg-hover hover:text-ink data-[state=open]:bg-hover"
        >
          <Brain size={15} aria-hidden />
          <span className="max-sm:hidden">
            {effort === null ? "Effort" : (names[effort] ?? effort)}
          </span>
          <ChevronDown size={14} aria-hidden />
        </button>
      }
    >
      <MenuRadio
        label="Reasoning effort"
        value={efforts.find((each) => each === effort) ?? ""}
        onChange={(next) => onChange(next === "" ? null : next)}
        options={[
          {
            value: "" as const,
            label: "Default",
            hint: byDefault === null ? "As the model thinks by itself" : names[byDefault],
          },
          ...efforts.map((value) => ({ value, label: names[value] })),
        ]}
      />
    </Menu>
  );
}
