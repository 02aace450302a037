import { useChatList } from "@parley/client/react";
import { ListFilter } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../ui/icon-button.tsx";
import { Menu, MenuRadio, MenuSeparator } from "../ui/menu.tsx";
import { labelsOf } from "./labels.ts";
import type { ListView } from "./list-view.ts";

const shows: readonly { readonly value: ListView["show"]; readonly label: string }[] = [
  { value: "current", label: "All chats" },
  { value: "running", label: "Running" },
  { value: "waiting-for-you", label: "Waiting for you" },
  { value: "failed", label: "Failed" },
  { value: "archived", label: "Archived" },
];

const anyLabel = "";

export interface ListFilterMenuProps {
  view: ListView;
  onChange: (view: ListView) => void;
}

/** Which chats are listed; labels are offered as the newest chats have them. */
export function ListFilterMenu({ view, onChange }: ListFilterMenuProps): ReactNode {
  const { chats } = useChatList();
  const labels = [
    ...new Set([...chats.flatMap(labelsOf), ...(view.label === null ? [] : [view.label])]),
  ];
  const isSet = view.show !== "current" || view.label !== null;
  return (
    <Menu
      align="end"
      trigger={
        <IconButton
          label="Filter the chats"
          icon={<ListFilter size={16} />}
          className={isSet ? "bg-accent-soft text-accent-ink" : ""}
        />
      }
    >
      <MenuRadio
        label="Show"
        value={view.show}
        onChange={(show) => onChange({ ...view, show })}
        options={shows}
      />
      {labels.length > 0 && (
        <>
          <MenuSeparator />
          <MenuRadio
            label="Label"
            value={view.label ?? anyLabel}
            onChange={(label) => onChange({ ...view, label: label === anyLabel ? null : label })}
            options={[
              { value: anyLabel, label: "Any" },
              ...labels.sort().map((label) => ({ value: label, label: label.replace(/:$/, "") })),
            ]}
          />
        </>
      )}
    </Menu>
  );
}
