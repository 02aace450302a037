import { useMemo, useSyncExternalStore } from "react";

/** An address, within this page, of bytes in base64; null where there are none. */
export function useObjectUrl(base64: string | undefined, type: string): string | null {
  const store = useMemo(() => objectUrl(blobOf(base64, type)), [base64, type]);
  return useSyncExternalStore(store.subscribe, store.get);
}

/** Held for as long as anybody shows it. */
function objectUrl(blob: Blob | null) {
  let url: string | null = null;
  let users = 0;
  return {
    get: (): string | null => {
      if (blob === null) return null;
      return (url ??= URL.createObjectURL(blob));
    },
    subscribe: (): (() => void) => {
      users += 1;
      return () => {
        users -= 1;
        if (users > 0 || url === null) return;
        URL.revokeObjectURL(url);
        url = null;
      };
    },
  };
}

function blobOf(base64: string | undefined, type: string): Blob | null {
  if (base64 === undefined) return null;
  try {
    return new Blob([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))], { type });
  } catch {
    // No base64: there is nothing to show.
    return null;
  }
}
