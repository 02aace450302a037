import { useEffect, useRef, useState } from "react";

/** How long "Copied" is shown, in milliseconds. */
const shownMs = 1_500;

/** Puts a text into the clipboard, and says for a moment that it has. */
export function useCopied(): [copied: boolean, copy: (text: string) => Promise<void>] {
  const [copied, setCopied] = useState(false);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const copy = async (text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Over plain http, other than on this machine, there is no clipboard to write to.
      return;
    }
    setCopied(true);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setCopied(false), shownMs);
  };
  return [copied, copy];
}
