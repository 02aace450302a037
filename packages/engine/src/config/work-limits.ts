import { integer, oneOf } from "./parsers.ts";
import { setting } from "./setting.ts";

/** How many chats may work at a time, and for whom: part of the one table. */
export const workLimits = {
  runningChatsMax: setting({
    section: "Work",
    env: "PARLEY_RUNNING_CHATS_MAX",
    flag: "running-chats-max",
    parser: integer(0, 1_000_000),
    default: 0,
    description:
      "Chats that work at the same time on all servers together, sub-agents not counted; the others wait their turn, " +
      "in turn over their owners. `0`: any number. Give every server the same limits.",
  }),
  runningChatsPerOwnerMax: setting({
    section: "Work",
    env: "PARLEY_RUNNING_CHATS_PER_OWNER_MAX",
    flag: "running-chats-per-owner-max",
    parser: integer(0, 1_000_000),
    default: 0,
    description: "The same for the chats of one owner.",
  }),
  runningSubAgentsMax: setting({
    section: "Work",
    env: "PARLEY_RUNNING_SUB_AGENTS_MAX",
    flag: "running-sub-agents-max",
    parser: integer(0, 1_000_000),
    default: 0,
    description:
      "Sub-agents that work at the same time on all servers together. `0`: any number. " +
      "Apart from the chats that started them, so that these cannot keep their own sub-agents from running.",
  }),
  runningSubAgentsPerOwnerMax: setting({
    section: "Work",
    env: "PARLEY_RUNNING_SUB_AGENTS_PER_OWNER_MAX",
    flag: "running-sub-agents-per-owner-max",
    parser: integer(0, 1_000_000),
    default: 0,
    description: "The same for the sub-agents of one owner.",
  }),
  subAgents: setting({
    section: "Work",
    env: "PARLEY_SUB_AGENTS",
    flag: "sub-agents",
    parser: oneOf("off", "on", "all"),
    default: "off",
    description:
      "`on`: models may have other chats work for them; see docs/sub-agents.md. `all`: the demo models too. " +
      "Off by default, since each of them is paid for like any other chat.",
  }),
  subAgentDepth: setting({
    section: "Work",
    env: "PARLEY_SUB_AGENT_DEPTH",
    flag: "sub-agent-depth",
    parser: integer(1, 10),
    default: 3,
    description: "Levels of sub-agents below a chat.",
  }),
  subAgentsPerChat: setting({
    section: "Work",
    env: "PARLEY_SUB_AGENTS_PER_CHAT",
    flag: "sub-agents-per-chat",
    parser: integer(1, 1000),
    default: 20,
    description: "Sub-agents of one chat that work at the same time.",
  }),
} as const;
