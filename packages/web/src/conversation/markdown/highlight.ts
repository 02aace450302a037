import { useEffect, useState } from "react";

export interface Token {
  readonly text: string;
  readonly light: string;
  readonly dark: string;
}

type Highlighter = (code: string, language: string) => Promise<Token[][] | null>;

/** Colouring more would hold up the page; it is shown plain. */
export const highlightedCharsMax = 50_000;

let loading: Promise<Highlighter> | null = null;

/**
 * The code's lines in tokens; null until the colours are there, or where the language is not known. While code grows,
 * the last colours stay on the lines that have not changed.
 */
export function useHighlighted(code: string, language: string): readonly Token[][] | null {
  const [last, setLast] = useState<{ code: string; lines: Token[][] } | null>(null);
  useEffect(() => {
    if (language === "" || code.length > highlightedCharsMax) return;
    let gone = false;
    loading ??= import("./highlighter.ts").then((module) => module.highlight);
    loading
      .then((highlight) => highlight(code, language))
      .then((lines) => gone || lines === null || setLast({ code, lines }))
      // Without colours it is still the code.
      .catch(() => (loading = null));
    return () => void (gone = true);
  }, [code, language]);
  if (last === null) return null;
  return last.code === code ? last.lines : merge(last.lines, last.code, code);
}

/** Colours of the part that both have, the rest plain. */
function merge(lines: Token[][], before: string, now: string): Token[][] | null {
  if (!now.startsWith(before)) return null;
  const kept = lines.slice(0, -1);
  const from = before.lastIndexOf("\n") + 1;
  const rest = now.slice(from).split("\n");
  return [...kept, ...rest.map((text) => [{ text, light: "inherit", dark: "inherit" }])];
}
