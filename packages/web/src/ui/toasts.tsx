import { CircleAlert, X } from "lucide-react";
import { Toast as Radix } from "radix-ui";
import { useSyncExternalStore, type ReactNode } from "react";
import { IconButton } from "./icon-button.tsx";
import { dismissToast, toastStore } from "./toast-store.ts";

const shownMs = { info: 4_000, error: 9_000 };

/** Once, beside everything: shows what `showToast` and `showError` say. */
export function Toasts(): ReactNode {
  const toasts = useSyncExternalStore(toastStore.subscribe, toastStore.get);
  return (
    <Radix.Provider label="Notification">
      {toasts.map(({ id, kind, text, action }) => (
        <Radix.Root
          key={id}
          duration={shownMs[kind]}
          type={kind === "error" ? "foreground" : "background"}
          onOpenChange={(open) => {
            if (!open) dismissToast(id);
          }}
          className="flex animate-rise items-start gap-2.5 rounded-lg border border-line bg-surface py-2.5 pr-2 pl-3.5 shadow-pop"
        >
          {kind === "error" && (
            <CircleAlert size={16} className="mt-1 shrink-0 text-danger" aria-hidden="true" />
          )}
          <Radix.Description className="flex-1 py-0.5 text-sm break-words">
            {text}
          </Radix.Description>
          {action !== undefined && (
            <Radix.Action asChild altText={action.label}>
              <button
                type="button"
                onClick={action.run}
                className="rounded-sm px-2 py-0.5 text-sm font-medium text-accent-ink hover:bg-hover"
              >
                {action.label}
              </button>
            </Radix.Action>
          )}
          <Radix.Close asChild>
            <IconButton label="Dismiss" size="sm" icon={<X size={14} />} />
          </Radix.Close>
        </Radix.Root>
      ))}
      {/* Not at the bottom: there people write. */}
      <Radix.Viewport className="fixed top-16 right-4 z-60 flex w-90 max-w-[calc(100vw-2rem)] flex-col gap-2 outline-none" />
    </Radix.Provider>
  );
}
