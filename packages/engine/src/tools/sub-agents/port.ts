import type { WhenQueued } from "@parley/protocol";
import type { AgentStatus } from "../../domain/agent.ts";
import type { ToolContext } from "../tool.ts";

/** A chat that works for the one whose model is told of it. */
export interface Agent {
  readonly id: string;
  /** Whose sub-agent it is, where it is not the caller's own. */
  readonly parent_id?: string;
  readonly title: string | null;
  readonly model: string;
  readonly status: AgentStatus;
}

/** What an agent has come to. */
export interface AgentReport extends Agent {
  /** What it said last. */
  readonly result?: string;
  readonly error?: string;
}

export interface SpawnRequest {
  readonly prompt: string;
  /** Names of files of the caller's chat. */
  readonly files?: readonly string[] | undefined;
  readonly title?: string | undefined;
  readonly model?: string | undefined;
  readonly system_prompt?: string | undefined;
}

export interface WaitRequest {
  /** Absent: the caller's children that work, or were given work in this turn. */
  readonly ids?: readonly string[] | undefined;
  readonly timeoutMs: number;
}

export interface WaitReport {
  /** `ended`: all of them have. `message`: something was said to the one that waits. */
  readonly outcome: "ended" | "timeout" | "message";
  readonly agents: readonly AgentReport[];
}

export interface MessageRequest {
  readonly id: string;
  readonly content: string;
  readonly when_busy: WhenQueued;
}

/** What a call is known by, and how it is stopped. */
export type AgentCall = Pick<ToolContext, "chatId" | "idempotencyKey" | "signal" | "idle">;

/**
 * The family of a chat, as its model may use it: only what is below the chat. Every call may be run again, and is then
 * the same one. Rejections say in their message what the model did wrong, or what happened.
 */
export interface SubAgents {
  spawn(call: AgentCall, request: SpawnRequest): Promise<Agent>;
  wait(call: AgentCall, request: WaitRequest): Promise<WaitReport>;
  /** Gives the agent as it is with the message. */
  message(call: AgentCall, request: MessageRequest): Promise<Agent>;
  stop(call: AgentCall, id: string): Promise<Agent>;
  list(call: AgentCall): Promise<readonly Agent[]>;
}
