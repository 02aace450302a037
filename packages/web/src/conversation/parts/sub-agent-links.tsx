import type { Json } from "@parley/protocol";
import { Bot } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { isObject } from "./json.ts";

interface AgentLink {
  readonly id: string;
  readonly title: string;
  readonly status: string;
}

const agentTools = new Set([
  "spawn_agent",
  "wait_agents",
  "message_agent",
  "stop_agent",
  "list_agents",
]);

/** The sub-agents that a tool's result names. */
export function agentsIn(toolName: string, output: Json): AgentLink[] {
  if (!agentTools.has(toolName)) return [];
  const list = isObject(output) && Array.isArray(output["agents"]) ? output["agents"] : [output];
  return list.flatMap((agent) => {
    if (!isObject(agent) || typeof agent["id"] !== "string") return [];
    const { id, title, status } = agent;
    return [
      {
        id,
        title: typeof title === "string" ? title : "Sub-agent",
        // What has just been started has long gone on.
        status: typeof status === "string" && toolName !== "spawn_agent" ? status : "",
      },
    ];
  });
}

/** Each is a chat of its own: it can be opened, followed and steered. */
export function SubAgentLinks({ agents }: { agents: readonly AgentLink[] }): ReactNode {
  return (
    <ul className="flex flex-wrap gap-1.5 px-3 pb-2.5" aria-label="Sub-agents">
      {agents.map(({ id, title, status }) => (
        <li key={id}>
          <Link
            href={`/chats/${encodeURIComponent(id)}`}
            className="inline-flex max-w-72 items-center gap-1.5 rounded-md border border-line bg-canvas px-2 py-1 text-sm hover:bg-hover"
          >
            <Bot size={14} aria-hidden className="shrink-0 text-accent-ink" />
            <span className="truncate">{title}</span>
            {status !== "" && <span className="shrink-0 text-xs text-ink-muted">{status}</span>}
          </Link>
        </li>
      ))}
    </ul>
  );
}
