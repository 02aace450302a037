import { useSyncExternalStore } from "react";

/** Whether the list is open: beside the page on wide windows, over it (a drawer) on narrow ones. */
interface SidebarState {
  readonly docked: boolean;
  readonly drawer: boolean;
}

const storageKey = "parley.sidebar";
const narrow = window.matchMedia("(max-width: 767px)");
const listeners = new Set<() => void>();
let state: SidebarState = { docked: localStorage.getItem(storageKey) !== "closed", drawer: false };

narrow.addEventListener("change", () => set({ drawer: false }));

export const sidebar = {
  toggle: (): void => {
    if (narrow.matches) return set({ drawer: !state.drawer });
    set({ docked: !state.docked });
    localStorage.setItem(storageKey, state.docked ? "open" : "closed");
  },
  open: (): void => {
    if (narrow.matches) set({ drawer: true });
    else if (!state.docked) sidebar.toggle();
  },
  setDrawer: (drawer: boolean): void => set({ drawer }),
  closeDrawer: (): void => {
    if (state.drawer) set({ drawer: false });
  },
};

export function useSidebar(): SidebarState {
  return useSyncExternalStore(subscribe, () => state);
}

export function useIsNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      narrow.addEventListener("change", listener);
      return () => narrow.removeEventListener("change", listener);
    },
    () => narrow.matches,
  );
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function set(change: Partial<SidebarState>): void {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}
