import { clsx } from "clsx";
import type { ReactNode } from "react";
import { CopyButton } from "./copy-button.tsx";

/** A text to be taken elsewhere as it is. */
export function CopyBlock({ text, className }: { text: string; className?: string }): ReactNode {
  return (
    <div className={clsx("relative rounded-md border border-line bg-surface", className)}>
      {/* It scrolls, so it can be reached by keyboard. */}
      <pre
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        className="overflow-x-auto rounded-md py-2.5 pr-12 pl-3.5 font-mono text-xs leading-5"
      >
        {text}
      </pre>
      <CopyButton text={text} className="absolute top-1.5 right-1.5 bg-surface" />
    </div>
  );
}
