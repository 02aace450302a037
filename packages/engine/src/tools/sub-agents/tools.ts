import { limits, type Json } from "@parley/protocol";
import { z } from "zod";
import { cutText } from "../cut-output.ts";
import { defineTool, type Tool } from "../tool.ts";
import type { AgentReport, SubAgents } from "./port.ts";

export interface SubAgentToolsOptions {
  readonly offeredTo: (model: string) => boolean;
}

const waitDefaultSeconds = 600;
const waitMaxSeconds = 3_600;

export const subAgentToolNames: ReadonlySet<string> = new Set([
  "spawn_agent",
  "wait_agents",
  "message_agent",
  "stop_agent",
  "list_agents",
]);

/** The wait ends by itself; this ends one that does not. */
const waitTimeoutMs = (waitMaxSeconds + 60) * 1_000;

/** Of one agent's answer: several are told of at once. */
const resultBytesMax = 24 * 1024;

const id = z.string().describe("The id that spawn_agent gave.");

/**
 * The tools by which a model has others work for it. All of them may be run again after a crash: what they do, they do
 * under the name of the call.
 */
export function subAgentTools(agents: SubAgents, { offeredTo }: SubAgentToolsOptions): Tool[] {
  const common = { delivery: "at_least_once", offeredTo } as const;
  return [
    defineTool({
      ...common,
      name: "spawn_agent",
      description:
        "Starts a sub-agent that works on its own, beside you, and gives its id. It knows nothing of this " +
        "conversation but the prompt: say everything that it needs. Start several at once for independent work; " +
        "collect what they say with wait_agents.",
      input: z.strictObject({
        prompt: z.string().trim().min(1).max(limits.messageBodyBytesMax),
        files: z
          .array(z.string().min(1).max(limits.fileNameCharsMax))
          .max(limits.filesPerChatMax)
          .optional()
          .describe("Names of files attached here that it is to have too."),
        title: z.string().trim().min(1).max(limits.titleCharsMax).optional(),
        model: z.string().min(1).optional().describe("Default: the model that you are."),
        system_prompt: z
          .string()
          .max(limits.systemPromptBytesMax)
          .optional()
          .describe("Default: the one that you have."),
      }),
      execute: async (input, call) => json(await agents.spawn(call, input)),
    }),
    defineTool({
      ...common,
      name: "wait_agents",
      description:
        "Waits until sub-agents have ended and gives what each said last. Returns early when the user says something " +
        "to you, and when the time is up; they go on working then, and you can wait again.",
      input: z.strictObject({
        ids: z
          .array(id)
          .min(1)
          .max(100)
          .optional()
          .describe("Default: all that you gave work to since the user's last message."),
        timeout_seconds: z.number().min(0).max(waitMaxSeconds).default(waitDefaultSeconds),
      }),
      timeoutMs: waitTimeoutMs,
      execute: async ({ ids, timeout_seconds }, call) => {
        const timeoutMs = timeout_seconds * 1_000;
        const { outcome, agents: reports } = await agents.wait(call, { ids, timeoutMs });
        return json({ outcome, agents: reports.map(shown), ...notes[outcome] });
      },
    }),
    defineTool({
      ...common,
      name: "message_agent",
      description: "Says something to a sub-agent: more work, or a hint while it works.",
      input: z.strictObject({
        id,
        content: z.string().trim().min(1).max(limits.messageBodyBytesMax),
        when_busy: z
          .enum(["queue", "steer", "interrupt"])
          .default("queue")
          .describe("While it works: after that; into it, at the next step; or instead of it."),
      }),
      execute: async (input, call) => json(await agents.message(call, input)),
    }),
    defineTool({
      ...common,
      name: "stop_agent",
      description: "Stops a sub-agent and those that it started. What it has said is kept.",
      input: z.strictObject({ id }),
      execute: async (input, call) => json(await agents.stop(call, input.id)),
    }),
    defineTool({
      ...common,
      name: "list_agents",
      description: "Lists your sub-agents and theirs, with the state of each.",
      input: z.strictObject({}),
      execute: async (_input, call) => json({ agents: await agents.list(call) }),
    }),
  ];
}

const notes = {
  ended: {},
  timeout: { note: "The time is up. Those that still work go on: wait again, or stop them." },
  message: { note: "The user said something to you. Those that still work go on." },
} as const;

function shown({ result, ...report }: AgentReport): AgentReport {
  return result === undefined ? report : { ...report, result: cutText(result, resultBytesMax) };
}

/** Plain data: what is undefined is left out. */
function json(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
