import type { StructuredOutputPart } from "@parley/protocol";
import { Braces, CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { CodeBlock } from "../markdown/code-block.tsx";
import { readable } from "./json.ts";

/** What became of a reply that was asked to be JSON. */
export function StructuredOutput({ part }: { part: StructuredOutputPart }): ReactNode {
  const { outcome, value, errors = [], repairing } = part;
  if (outcome === "valid") {
    const { text } = readable(value);
    return <CodeBlock label={part.name ?? "Result"} code={text} language="json" />;
  }
  return (
    <div className="rounded-lg bg-warn-soft px-3.5 py-2.5 text-sm">
      <p className="flex items-center gap-2 font-medium">
        {repairing === true ? (
          <Braces size={15} aria-hidden className="text-warn" />
        ) : (
          <CircleAlert size={15} aria-hidden className="text-warn" />
        )}
        {repairing === true
          ? "Not what was asked for; the model answers once more."
          : "The reply is not what was asked for."}
      </p>
      <ul className="mt-1.5 space-y-0.5 text-ink-muted">
        {errors.map(({ path, message }) => (
          <li key={`${path} ${message}`}>
            <code className="font-mono text-xs">{path === "" ? "the whole" : path}</code> {message}
          </li>
        ))}
      </ul>
    </div>
  );
}
