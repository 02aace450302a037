import { ParleyApiError, ParleyNetworkError } from "@parley/client";

export interface Toast {
  readonly id: number;
  readonly kind: "info" | "error";
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

/** More than this at once says nothing any more: the oldest goes. */
const toastsMax = 4;

let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

export function showToast(toast: Omit<Toast, "id">): void {
  lastId += 1;
  const others = toasts.filter(({ text }) => text !== toast.text);
  set([...others, { ...toast, id: lastId }].slice(-toastsMax));
}

export function dismissToast(id: number): void {
  set(toasts.filter((toast) => toast.id !== id));
}

/**
 * Says that something did not work.
 *
 * @param what the wish that failed, as a sentence without its end: "The chat was not renamed"
 */
export function showError(what: string, error: unknown): void {
  showToast({ kind: "error", text: `${what}: ${reasonOf(error)}` });
}

/** Why a call failed, in words for the user. */
export function reasonOf(error: unknown): string {
  if (error instanceof ParleyApiError) return error.detail;
  if (error instanceof ParleyNetworkError) return "the server could not be reached.";
  return error instanceof Error ? error.message : String(error);
}

export const toastStore = {
  get: (): readonly Toast[] => toasts,
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  },
};

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}
