import { limits } from "@parley/protocol";
import { seconds, text } from "./parsers.ts";
import { optional, setting } from "./setting.ts";

const yearSeconds = 31_536_000;

/** The rows of the table about a server's own tools, and about calls that wait for somebody outside. */
export const toolSettings = {
  tools: optional({
    section: "Work",
    env: "PARLEY_TOOLS",
    flag: "tools",
    parser: text("a path"),
    description:
      "JavaScript or TypeScript module with the tools that this server runs; see docs/tools.md. " +
      "Its code runs inside the server.",
  }),
  approvalDeadlineMs: setting({
    section: "Work",
    env: "PARLEY_APPROVAL_DEADLINE_SECONDS",
    flag: "approval-deadline-seconds",
    parser: seconds(1, yearSeconds),
    default: limits.approvalDeadlineMs,
    description:
      "How long a tool call waits for its approval, where the tool does not say; then it is answered without running.",
  }),
  clientToolDeadlineMs: setting({
    section: "Work",
    env: "PARLEY_CLIENT_TOOL_DEADLINE_SECONDS",
    flag: "client-tool-deadline-seconds",
    parser: seconds(1, yearSeconds),
    default: limits.clientToolDeadlineMs,
    description:
      "How long a call of a client's tool waits for its result, where the client does not say.",
  }),
} as const;
