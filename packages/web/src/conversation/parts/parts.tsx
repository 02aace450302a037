import type { Part, SourcePart } from "@parley/protocol";
import type { ReactNode } from "react";
import { Markdown } from "../markdown/markdown.tsx";
import type { CallOutcome } from "../timeline.ts";
import { File } from "./file.tsx";
import { Reasoning } from "./reasoning.tsx";
import { Sources } from "./sources.tsx";
import { StructuredOutput } from "./structured-output.tsx";
import { ToolCall } from "./tool-call.tsx";

export interface PartsProps {
  parts: readonly Part[];
  outcomes: ReadonlyMap<string, CallOutcome>;
  /** Parts still arrive: the last one grows. */
  live: boolean;
  /** Calls without a result still run. */
  running: boolean;
  /** Calls that wait for a person or a client. */
  waiting: ReadonlySet<string>;
}

/** The parts of a reply in their order; sources together at the end. */
export function Parts({ parts, outcomes, live, running, waiting }: PartsProps): ReactNode {
  const sources = parts.filter((part): part is SourcePart => part.type === "source");
  return (
    <>
      {parts.map((part, at) => {
        const grows = live && at === parts.length - 1;
        switch (part.type) {
          case "text":
            // A part is named by its place, and keeps it.
            // oxlint-disable-next-line react/no-array-index-key
            return part.text === "" ? null : <Markdown key={at} text={part.text} live={grows} />;
          case "reasoning":
            // oxlint-disable-next-line react/no-array-index-key
            return part.text === "" ? null : <Reasoning key={at} text={part.text} live={grows} />;
          case "tool-call":
            return (
              <ToolCall
                key={part.tool_call_id}
                part={part}
                outcome={outcomes.get(part.tool_call_id)}
                running={running}
                waiting={waiting.has(part.tool_call_id)}
              />
            );
          case "file":
            // oxlint-disable-next-line react/no-array-index-key
            return <File key={at} part={part} />;
          case "structured-output":
            // oxlint-disable-next-line react/no-array-index-key
            return <StructuredOutput key={at} part={part} />;
          default:
            // Results stand with their calls, sources at the end, and the rest is the provider's.
            return null;
        }
      })}
      {sources.length > 0 && <Sources sources={sources} />}
    </>
  );
}
