import { limits } from "@parley/protocol";
import { BadValue, integer, type Parser, text } from "./parsers.ts";
import { optional, setting } from "./setting.ts";

const octet = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const hostPattern = new RegExp(
  [
    "^(?:\\*\\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?$",
    `^${octet}(?:\\.${octet}){3}/(?:3[0-2]|[12]?\\d)$`,
    "^\\[?[0-9a-f:.]*:[0-9a-f:.]*\\]?(?:/(?:12[0-8]|1[01]\\d|\\d\\d?))?$",
  ].join("|"),
  "i",
);

const hosts: Parser<readonly string[]> = {
  accepts: "host names, IP addresses or networks with commas between them",
  format: (value) => value.join(","),
  parse(value) {
    const entries = value.split(",").map((entry) => entry.trim());
    const named = entries.filter((entry) => entry !== "");
    if (named.some((entry) => !hostPattern.test(entry))) {
      throw new BadValue(`must be ${hosts.accepts}`);
    }
    return named;
  },
};

/** The rows of the table about MCP servers: the deployment's, and those that chats bring along. */
export const mcpSettings = {
  mcpServers: optional({
    section: "Work",
    env: "PARLEY_MCP_SERVERS",
    flag: "mcp-servers",
    parser: text("a JSON array, or the path of a file with one", /^[^\0]+$/),
    description:
      "MCP servers whose tools every chat may use, over Streamable HTTP or as processes; see docs/tools.md.",
    secret: true,
  }),
  chatMcpServersMax: setting({
    section: "Work",
    env: "PARLEY_CHAT_MCP_SERVERS_MAX",
    flag: "chat-mcp-servers-max",
    parser: integer(0, limits.mcpServersMax),
    default: 8,
    description: "MCP servers that one chat may bring along. `0`: none.",
  }),
  mcpPrivateHosts: setting({
    section: "Work",
    env: "PARLEY_MCP_PRIVATE_HOSTS",
    flag: "mcp-private-hosts",
    parser: hosts,
    default: [] as readonly string[],
    defaultText: "none",
    description:
      "Hosts beside those of the public internet at which MCP servers of chats may be: names (`*.` and a domain for " +
      "all below it), addresses, or networks such as `10.1.0.0/16`. Whoever may create chats reaches them through this server.",
  }),
  secretsKey: optional({
    section: "Database",
    env: "PARLEY_SECRETS_KEY",
    parser: text("at least 32 printable characters without blanks", /^[!-~]{32,512}$/),
    defaultText: "made once and kept in the database",
    description:
      "What secrets of chats (headers and tokens of their MCP servers) are encrypted with in the database. The same for " +
      "all servers. Set it, and a copy of the database alone does not show them; change it, and chats must be given them again.",
    secret: true,
  }),
} as const;
