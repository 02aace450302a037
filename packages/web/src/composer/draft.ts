import { useEffect, useState } from "react";

const prefix = "parley.draft.";

/** What is being written for a chat; kept in this browser until it is sent, over reloads. */
export function useDraft(key: string): [draft: string, setDraft: (text: string) => void] {
  const [draft, setDraft] = useState(() => read(key));
  useEffect(() => write(key, draft), [key, draft]);
  return [draft, setDraft];
}

function read(key: string): string {
  try {
    return localStorage.getItem(prefix + key) ?? "";
  } catch {
    return "";
  }
}

function write(key: string, text: string): void {
  try {
    if (text === "") localStorage.removeItem(prefix + key);
    else localStorage.setItem(prefix + key, text);
  } catch {
    // Full, or forbidden: it lasts as long as the page.
  }
}
