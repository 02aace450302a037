import clsx from "clsx";
import { Check, Copy, WrapText } from "lucide-react";
import { memo, useState, type ReactNode } from "react";
import { useCopied } from "../use-copied.ts";
import { highlightedCharsMax, useHighlighted } from "./highlight.ts";

/** Lines that are shown before the rest is asked for. */
const foldedLines = 24;
/** Fewer than this more, and folding would be a bother. */
const foldSlack = 8;

/** A block of code with its language, copying, wrapping, and folding where it is long. */
export const CodeBlock = memo(function CodeBlock({
  code,
  language,
  label,
}: {
  code: string;
  language: string;
  label?: string;
}) {
  const text = code.replace(/\n$/, "");
  const lines = countLines(text);
  const folds = lines > foldedLines + foldSlack;
  const [open, setOpen] = useState(false);
  const [wraps, setWraps] = useState(false);
  const [copied, copy] = useCopied();
  const shown = folds && !open ? firstLines(text, foldedLines) : text;
  return (
    <figure className="code-block" aria-label={label ?? `Code${language ? `, ${language}` : ""}`}>
      <figcaption>
        <span className="grow truncate">{label ?? (language || "text")}</span>
        <button
          type="button"
          onClick={() => setWraps(!wraps)}
          aria-pressed={wraps}
          aria-label="Wrap lines"
        >
          <WrapText size={14} aria-hidden />
        </button>
        <button type="button" onClick={() => void copy(text)} aria-label="Copy code">
          {copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
          <span>{copied ? "Copied" : "Copy"}</span>
        </button>
      </figcaption>
      {/* What scrolls must be reachable by the keyboard. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} className={clsx(wraps && "wraps")}>
        <Lines code={shown} language={language} />
      </pre>
      {folds && (
        <button type="button" className="more" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : `Show all ${lines} lines`}
        </button>
      )}
    </figure>
  );
});

function Lines({ code, language }: { code: string; language: string }): ReactNode {
  const lines = useHighlighted(code, language);
  if (lines === null || code.length > highlightedCharsMax) return <code>{code}</code>;
  return (
    <code>
      {lines.map((tokens, at) => (
        // Lines of code have no names but their places.
        // oxlint-disable-next-line react/no-array-index-key
        <span key={at}>
          {tokens.map(({ text, light, dark }, n) => (
            // oxlint-disable-next-line react/no-array-index-key
            <span key={n} style={{ color: `light-dark(${light}, ${dark})` }}>
              {text}
            </span>
          ))}
          {at < lines.length - 1 && "\n"}
        </span>
      ))}
    </code>
  );
}

function countLines(text: string): number {
  let lines = 1;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}

function firstLines(text: string, lines: number): string {
  let at = -1;
  for (let n = 0; n < lines; n++) {
    const next = text.indexOf("\n", at + 1);
    if (next === -1) return text;
    at = next;
  }
  return text.slice(0, at);
}
