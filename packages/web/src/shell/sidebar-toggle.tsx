import { PanelLeft } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../ui/icon-button.tsx";
import { sidebar, useIsNarrow, useSidebar } from "./sidebar-state.ts";

/** Opens the list where it is closed; there is nothing to show where it is open beside the page. */
export function SidebarToggle(): ReactNode {
  const { docked } = useSidebar();
  const narrow = useIsNarrow();
  if (docked && !narrow) return null;
  return (
    <IconButton
      label="Show the chats"
      keys="mod+b"
      icon={<PanelLeft size={18} />}
      onClick={sidebar.toggle}
    />
  );
}
