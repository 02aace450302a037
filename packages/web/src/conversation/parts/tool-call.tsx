import type { Json, ToolCallPart } from "@parley/protocol";
import {
  ChevronRight,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleSlash,
  Hourglass,
} from "lucide-react";
import { useState, type ReactNode } from "react";
import { ProgressBar } from "../../ui/progress-bar.tsx";
import { Spinner } from "../../ui/spinner.tsx";
import { CodeBlock } from "../markdown/code-block.tsx";
import type { CallOutcome } from "../timeline.ts";
import { inputSummary, isObject, readable } from "./json.ts";
import { agentsIn, SubAgentLinks } from "./sub-agent-links.tsx";

export interface ToolCallProps {
  part: ToolCallPart;
  outcome: CallOutcome | undefined;
  /** The chat works on this step: a call without a result still runs. */
  running: boolean;
  /** It waits for a person, or for a client. */
  waiting: boolean;
}

type State = "writing" | "waiting" | "running" | "done" | "failed" | "unknown" | "not run";

/** A tool's call: its name and the gist on one line, arguments and output when opened. */
export function ToolCall(props: ToolCallProps): ReactNode {
  const { part, outcome } = props;
  const [open, setOpen] = useState(false);
  const state = stateOf(props);
  const result = outcome?.result ?? null;
  const progress = outcome?.progress ?? null;
  const agents = result === null ? [] : agentsIn(part.tool_name, result.output);
  return (
    <div className="rounded-lg border border-line bg-surface text-sm">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full items-center gap-2 rounded-lg px-3 py-2 text-left hover:bg-hover"
      >
        <StateIcon state={state} />
        <span className="shrink-0 font-medium">{titleOf(part.tool_name)}</span>
        <span className="min-w-0 flex-1 truncate text-ink-muted">
          {state === "running" && progress !== null
            ? progressText(progress)
            : inputSummary(part.input ?? part.input_text ?? "")}
        </span>
        {state !== "done" && state !== "running" && (
          <span className="shrink-0 text-xs text-ink-muted">{labels[state]}</span>
        )}
        <ChevronRight
          size={14}
          aria-hidden
          className={`shrink-0 text-ink-faint transition-transform ${open ? "rotate-90" : ""}`}
        />
      </button>
      {state === "running" && progress !== null && <Bar progress={progress} />}
      {agents.length > 0 && <SubAgentLinks agents={agents} />}
      {open && (
        <div className="space-y-2 border-t border-line p-3">
          <Value label="Arguments" value={part.input ?? part.input_text ?? null} />
          {progress !== null && result === null && <Value label="Progress" value={progress} />}
          {result !== null && (
            <Value label={result.is_error ? "Error" : "Result"} value={result.output} />
          )}
        </div>
      )}
    </div>
  );
}

function Value({ label, value }: { label: string; value: Json }): ReactNode {
  const { text, language } = readable(value);
  if (text === "" || text === "{}" || text === "null") {
    return <p className="text-xs text-ink-faint">{label}: none</p>;
  }
  return <CodeBlock label={label} code={text} language={language} />;
}

function stateOf({ part, outcome, running, waiting }: ToolCallProps): State {
  const result = outcome?.result ?? null;
  if (result !== null) {
    if (!result.is_error) return "done";
    return typeof result.output === "string" && result.output.startsWith("outcome unknown")
      ? "unknown"
      : "failed";
  }
  if (part.partial === true) return "writing";
  if (waiting) return "waiting";
  return running ? "running" : "not run";
}

const labels: Record<State, string> = {
  writing: "writing arguments…",
  waiting: "waits for an answer",
  running: "running…",
  done: "done",
  failed: "failed",
  unknown: "outcome unknown",
  "not run": "not run",
};

function StateIcon({ state }: { state: State }): ReactNode {
  const icon = "shrink-0";
  switch (state) {
    case "writing":
      return (
        <CircleDashed size={16} aria-hidden className={`${icon} animate-pulse text-ink-faint`} />
      );
    case "running":
      return <Spinner label="" className="shrink-0 text-accent-ink" />;
    case "waiting":
      return <Hourglass size={16} aria-hidden className={`${icon} text-warn`} />;
    case "done":
      return <CircleCheck size={16} aria-label="done" className={`${icon} text-ok`} />;
    case "failed":
      return <CircleAlert size={16} aria-hidden className={`${icon} text-danger`} />;
    case "unknown":
      return <CircleAlert size={16} aria-hidden className={`${icon} text-warn`} />;
    case "not run":
      return <CircleSlash size={16} aria-hidden className={`${icon} text-ink-faint`} />;
    default:
      return state satisfies never;
  }
}

/** A share where the tool tells one; else nothing can be drawn. */
function Bar({ progress }: { progress: Json }): ReactNode {
  const share = shareOf(progress);
  if (share === null) return null;
  return (
    <ProgressBar
      aria-label="Progress"
      value={share}
      className="mx-3 mb-2 block h-1 w-[calc(100%-1.5rem)]"
    />
  );
}

/** `{progress, total}` as MCP has it, or any two numbers of which the second is the whole. */
function shareOf(progress: Json): number | null {
  if (!isObject(progress)) return null;
  const numbers = Object.values(progress).filter((value) => typeof value === "number");
  const [done, all] = [progress["progress"] ?? numbers[0], progress["total"] ?? numbers[1]];
  if (typeof done !== "number" || typeof all !== "number" || all <= 0) return null;
  return Math.min(1, Math.max(0, done / all));
}

function progressText(progress: Json): string {
  if (isObject(progress)) {
    const { message } = progress;
    if (typeof message === "string") return message;
    return Object.entries(progress)
      .map(
        ([key, value]) =>
          `${key} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`,
      )
      .join(" · ");
  }
  return typeof progress === "string" ? progress : JSON.stringify(progress);
}

/** `server__read_file` → `read file`, its server behind it. */
function titleOf(name: string): string {
  const [server, tool] = name.includes("__") ? name.split("__", 2) : [undefined, name];
  const title = (tool ?? name).replaceAll("_", " ");
  return server === undefined ? title : `${title} (${server})`;
}
