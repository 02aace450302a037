import { join } from "node:path";
import { limits } from "@parley/protocol";
import { boolean, bytes, databaseUrl, integer, oneOf, seconds, text, url } from "./parsers.ts";
import { optional, setting, type Surroundings } from "./setting.ts";
import { callSettings } from "./call-settings.ts";
import { fileSettings } from "./file-settings.ts";
import { mcpSettings } from "./mcp-settings.ts";
import { spendingSettings } from "./spending-settings.ts";
import { toolSettings } from "./tool-settings.ts";
import { workLimits } from "./work-limits.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** What people expect of a program's own data: a folder of the user's, not of the place where it was started. */
export function defaultDataDir({ env, platform, homeDir }: Surroundings): string {
  if (platform === "darwin") return join(homeDir, "Library", "Application Support", "parley");
  if (platform === "win32") {
    return join(env["LOCALAPPDATA"] ?? join(homeDir, "AppData", "Local"), "parley");
  }
  const base = env["XDG_DATA_HOME"];
  // The XDG specification says that a relative path is to be ignored.
  return base?.startsWith("/") ? join(base, "parley") : join(homeDir, ".local", "share", "parley");
}

/**
 * Every setting of Parley. Environment variables, flags, `--help`, docs/configuration.md and the type `Config`
 * come from this table; nothing else reads the environment.
 */
export const settings = {
  host: setting({
    section: "Server",
    env: "PARLEY_HOST",
    flag: "host",
    parser: text("a host name or an IP address", /^[\w.:%-]+$/),
    default: "127.0.0.1",
    description:
      "Address to listen on. `0.0.0.0` or `::` for all of them: put a proxy that speaks TLS in front then.",
  }),
  port: setting({
    section: "Server",
    env: "PARLEY_PORT",
    flag: "port",
    parser: integer(0, 65_535),
    default: 7420,
    description: "Port to listen on. `0` takes any that is free.",
  }),
  baseUrl: optional({
    section: "Server",
    env: "PARLEY_BASE_URL",
    flag: "base-url",
    parser: url("http", "https"),
    defaultText: "`http://HOST:PORT`",
    description:
      "The URL under which people reach this server, where it differs from host and port (behind a proxy). " +
      "It is what gets printed, and what the origin of a browser's request is compared with.",
  }),
  token: optional({
    section: "Server",
    env: "PARLEY_TOKEN",
    parser: text("up to 512 printable characters without blanks", /^[!-~]{1,512}$/),
    defaultText: "made at the first start and kept in the data folder",
    description: "The first-use token, for scripts: it may do everything that the first user may.",
    secret: true,
  }),
  dataDir: setting({
    section: "Server",
    env: "PARLEY_DATA_DIR",
    flag: "data-dir",
    parser: text("a path"),
    default: defaultDataDir,
    defaultText: "`~/.local/share/parley`, or the platform's own place for it",
    description:
      "Folder of the embedded database, the first-use token and the addresses of running servers. " +
      "Several servers of one user may share it.",
  }),
  web: setting({
    section: "Server",
    env: "PARLEY_WEB",
    flag: "web",
    parser: boolean,
    default: true,
    description:
      "Whether the web application is served at `/`. Without it there is a plain page that says how to use the API.",
  }),
  single: setting({
    section: "Between servers",
    env: "PARLEY_SINGLE",
    flag: "single",
    parser: boolean,
    default: false,
    description:
      "This is the only server of its database: nothing is sent to others, and nothing is listened to. " +
      "Only for an installation that will never have a second one.",
  }),

  relayHost: setting({
    section: "Between servers",
    env: "PARLEY_RELAY_HOST",
    flag: "relay-host",
    parser: text("a host name or an IP address", /^[\w.:%-]+$/),
    default: "127.0.0.1",
    description:
      "Address on which other servers fetch the replies that this one is streaming. " +
      "With servers on several machines: one that they reach, and nobody else.",
  }),
  relayPort: setting({
    section: "Between servers",
    env: "PARLEY_RELAY_PORT",
    flag: "relay-port",
    parser: integer(0, 65_535),
    default: 0,
    description: "Port for other servers. `0` takes any that is free.",
  }),
  relayUrl: optional({
    section: "Between servers",
    env: "PARLEY_RELAY_URL",
    flag: "relay-url",
    parser: url("ws", "wss"),
    defaultText: "`ws://RELAY_HOST:RELAY_PORT`",
    description: "The URL under which other servers reach this one, where it differs from that.",
  }),
  relaySecret: optional({
    section: "Between servers",
    env: "PARLEY_RELAY_SECRET",
    parser: text("at least 32 printable characters without blanks", /^[!-~]{32,512}$/),
    defaultText: "made once and kept in the database",
    description: "What servers prove to each other that they belong together. The same for all.",
    secret: true,
  }),
  relayTlsCa: optional({
    section: "Between servers",
    env: "PARLEY_RELAY_TLS_CA",
    flag: "relay-tls-ca",
    parser: text("a path"),
    description:
      "PEM file of the authority that signs the servers' certificates. With it, links are TLS and both sides show one.",
  }),
  relayTlsCert: optional({
    section: "Between servers",
    env: "PARLEY_RELAY_TLS_CERT",
    flag: "relay-tls-cert",
    parser: text("a path"),
    description: "PEM file of this server's certificate.",
  }),
  relayTlsKey: optional({
    section: "Between servers",
    env: "PARLEY_RELAY_TLS_KEY",
    flag: "relay-tls-key",
    parser: text("a path"),
    description: "PEM file of its key.",
  }),
  relayTlsName: optional({
    section: "Between servers",
    env: "PARLEY_RELAY_TLS_NAME",
    flag: "relay-tls-name",
    parser: text("a host name", /^[\w.-]+$/),
    defaultText: "the host of the other server's URL",
    description: "The name that the servers' certificates bear.",
  }),
  natsUrl: optional({
    section: "Between servers",
    env: "PARLEY_NATS_URL",
    flag: "nats-url",
    parser: url("nats", "tls"),
    defaultText: "the database's own notifications",
    description:
      "A NATS server to carry notifications between servers instead of the database, for large fleets.",
    secret: true,
  }),

  databaseUrl: optional({
    section: "Database",
    env: "PARLEY_DATABASE_URL",
    flag: "database-url",
    parser: databaseUrl,
    defaultText: "an embedded PostgreSQL in the data folder",
    description: "PostgreSQL 15 or newer to use instead of the embedded one.",
    secret: true,
  }),
  databaseDirectUrl: optional({
    section: "Database",
    env: "PARLEY_DATABASE_DIRECT_URL",
    flag: "database-direct-url",
    parser: databaseUrl,
    defaultText: "`PARLEY_DATABASE_URL`",
    description:
      "The same database without a pooler in between, for what needs a session: migrations, heartbeat, lock, notifications.",
    secret: true,
  }),
  poolSize: setting({
    section: "Database",
    env: "PARLEY_POOL_SIZE",
    flag: "pool-size",
    parser: integer(2, 200),
    default: 8,
    description:
      "Connections in the pool. Two (of three or two: one) are kept for takeovers, checkpoints and the like. A server uses a few more outside of it: heartbeat, lock, notifications.",
  }),
  statementTimeoutMs: setting({
    section: "Database",
    env: "PARLEY_STATEMENT_TIMEOUT_SECONDS",
    flag: "statement-timeout-seconds",
    parser: seconds(0.1, 600),
    default: 10_000,
    description: "A statement that takes longer is cancelled.",
  }),
  lockTimeoutMs: setting({
    section: "Database",
    env: "PARLEY_LOCK_TIMEOUT_SECONDS",
    flag: "lock-timeout-seconds",
    parser: seconds(0.1, 600),
    default: 5_000,
    description: "A statement that waits longer for a row is cancelled.",
  }),
  postgresBinDir: optional({
    section: "Database",
    env: "PARLEY_POSTGRES_BIN_DIR",
    flag: "postgres-bin-dir",
    parser: text("a path"),
    defaultText: "the binaries that npm installed",
    description:
      "Folder with `initdb` and `postgres` for the embedded database, for platforms that npm has none for.",
  }),

  model: optional({
    section: "Models",
    env: "PARLEY_MODEL",
    flag: "model",
    parser: text("`provider/model`", /^[^/\s]+\/\S+$/),
    defaultText: "one of the first provider that has a key; `demo/demo` where none has",
    description: "The model of chats that name none.",
  }),
  demo: setting({
    section: "Models",
    env: "PARLEY_DEMO",
    flag: "demo",
    parser: boolean,
    default: true,
    description: "Whether the built-in `demo/…` models are offered.",
  }),
  openaiApiKey: optional({
    section: "Models",
    env: "OPENAI_API_KEY",
    parser: text("a key", /^\S+$/),
    description: "Key for `openai/…` (Responses) and `openai-chat/…` (Chat Completions).",
    secret: true,
  }),
  openaiBaseUrl: optional({
    section: "Models",
    env: "OPENAI_BASE_URL",
    parser: url("http", "https"),
    defaultText: "OpenAI's",
    description: "Where the OpenAI protocol is spoken.",
  }),
  anthropicApiKey: optional({
    section: "Models",
    env: "ANTHROPIC_API_KEY",
    parser: text("a key", /^\S+$/),
    description: "Key for `anthropic/…`.",
    secret: true,
  }),
  anthropicBaseUrl: optional({
    section: "Models",
    env: "ANTHROPIC_BASE_URL",
    parser: url("http", "https"),
    defaultText: "Anthropic's",
    description: "Where the Anthropic protocol is spoken.",
  }),
  googleApiKey: optional({
    section: "Models",
    env: "GOOGLE_GENERATIVE_AI_API_KEY",
    aliases: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    parser: text("a key", /^\S+$/),
    description: "Key for `google/…`.",
    secret: true,
  }),
  googleBaseUrl: optional({
    section: "Models",
    env: "GOOGLE_GENERATIVE_AI_BASE_URL",
    aliases: ["GEMINI_BASE_URL"],
    parser: url("http", "https"),
    defaultText: "Google's",
    description: "Where Google's protocol is spoken.",
  }),
  providers: optional({
    section: "Models",
    env: "PARLEY_PROVIDERS",
    flag: "providers",
    parser: text("a JSON array, or the path of a file with one"),
    description:
      "Endpoints that speak OpenAI's Chat Completions (vLLM, Ollama, OpenRouter, …); see below.",
    secret: true,
  }),
  modelFirstEventMs: setting({
    section: "Models",
    env: "PARLEY_MODEL_FIRST_EVENT_SECONDS",
    flag: "model-first-event-seconds",
    parser: seconds(1, 3600),
    default: 120_000,
    description: "A model call from which nothing has come for this long is cut and tried again.",
  }),
  modelSilenceMs: setting({
    section: "Models",
    env: "PARLEY_MODEL_SILENCE_SECONDS",
    flag: "model-silence-seconds",
    parser: seconds(1, 3600),
    default: 600_000,
    description:
      "The same between two events of a call. Long, because reasoning models think in silence.",
  }),
  modelAttemptsMax: setting({
    section: "Models",
    env: "PARLEY_MODEL_ATTEMPTS",
    flag: "model-attempts",
    parser: integer(1, 100),
    default: 25,
    description: "Tries at one model call before the turn fails.",
  }),
  compactionPercent: setting({
    section: "Models",
    env: "PARLEY_COMPACTION_PERCENT",
    flag: "compaction-percent",
    parser: integer(0, 95),
    default: 70,
    description:
      "Share of a model's context window from which on a conversation is summarised before the model is called again. " +
      "`0`: never by itself, also not when the provider refuses it as too long; people can still ask for it.",
  }),
  compactionModel: optional({
    section: "Models",
    env: "PARLEY_COMPACTION_MODEL",
    flag: "compaction-model",
    parser: text("`provider/model`", /^[^/\s]+\/\S+$/),
    defaultText: "the model of the turn",
    description: "The model that writes these summaries.",
  }),
  titleModel: optional({
    section: "Models",
    env: "PARLEY_TITLE_MODEL",
    flag: "title-model",
    parser: text("`provider/model`, or `off`", /^(?:off|[^/\s]+\/\S+)$/),
    defaultText: "the chat's own model",
    description:
      "The model that names a chat after its first answered turn; a small one does. `off`: people name their chats themselves.",
  }),
  contextWindowTokens: setting({
    section: "Models",
    env: "PARLEY_CONTEXT_WINDOW_TOKENS",
    flag: "context-window-tokens",
    parser: integer(0, 100_000_000),
    default: 128_000,
    description:
      "Context window of models of which nothing is known. `0`: conversations with them are summarised only " +
      "when the provider refuses them as too long.",
  }),

  ...callSettings,

  ...spendingSettings,

  capacity: setting({
    section: "Work",
    env: "PARLEY_CAPACITY",
    flag: "capacity",
    parser: integer(0, 10_000),
    default: 100,
    description:
      "Chats that this server drives at the same time. `0`: it serves the API and streams only.",
  }),
  ...workLimits,
  turnStepsMax: setting({
    section: "Work",
    env: "PARLEY_TURN_STEPS",
    flag: "turn-steps",
    parser: integer(1, 10_000),
    default: 200,
    description: "Model calls and tool batches of one turn before it is ended as running away.",
  }),
  ...mcpSettings,
  ...toolSettings,
  drainGraceMs: setting({
    section: "Work",
    env: "PARLEY_DRAIN_GRACE_SECONDS",
    flag: "drain-grace-seconds",
    parser: seconds(0, 3600),
    default: 30_000,
    description:
      "After SIGTERM, time for running steps to end before others take their chats over. " +
      "Give the process manager a few seconds more.",
  }),

  controlReadMs: setting({
    section: "Streams",
    env: "PARLEY_CONTROL_READ_SECONDS",
    flag: "control-read-seconds",
    parser: seconds(0.1, 60),
    default: 5_000,
    description: "Time for the reads with which a stream begins.",
  }),
  frameEventsMax: setting({
    section: "Streams",
    env: "PARLEY_FRAME_EVENTS",
    flag: "frame-events",
    parser: integer(1, limits.frameEventsMax),
    default: limits.frameEventsMax,
    description: "Events in one WebSocket frame.",
  }),
  clientFrameBytesMax: setting({
    section: "Streams",
    env: "PARLEY_CLIENT_FRAME_BYTES",
    flag: "client-frame-bytes",
    parser: bytes(KiB, 64 * MiB),
    default: limits.clientFrameBytesMax,
    description: "A client that sends a larger WebSocket frame is disconnected.",
  }),

  queueMessagesMax: setting({
    section: "Limits",
    env: "PARLEY_QUEUE_MESSAGES",
    flag: "queue-messages",
    parser: integer(1, 1000),
    default: limits.queueMessagesMax,
    description: "Messages that may wait in the queue of one chat.",
  }),
  messageBodyBytesMax: setting({
    section: "Limits",
    env: "PARLEY_MESSAGE_BYTES",
    flag: "message-bytes",
    parser: bytes(KiB, 16 * MiB),
    default: limits.messageBodyBytesMax,
    description: "Size of one message's content.",
  }),
  ...fileSettings,
  systemPromptBytesMax: setting({
    section: "Limits",
    env: "PARLEY_SYSTEM_PROMPT_BYTES",
    flag: "system-prompt-bytes",
    parser: bytes(0, limits.systemPromptBytesMax),
    default: limits.systemPromptBytesMax,
    description: "Size of a chat's system prompt.",
  }),
  clientToolsMax: setting({
    section: "Limits",
    env: "PARLEY_CLIENT_TOOLS",
    flag: "client-tools",
    parser: integer(0, limits.clientToolsMax),
    default: limits.clientToolsMax,
    description: "Client tools that one chat may declare.",
  }),
  labelsMax: setting({
    section: "Limits",
    env: "PARLEY_LABELS",
    flag: "labels",
    parser: integer(0, limits.labelsMax),
    default: limits.labelsMax,
    description: "Labels on one chat.",
  }),
  pageMessagesMax: setting({
    section: "Limits",
    env: "PARLEY_PAGE_MESSAGES",
    flag: "page-messages",
    parser: integer(1, limits.pageMessagesMax),
    default: limits.pageMessagesMax,
    description: "Messages in one page of a chat's history.",
  }),

  logLevel: setting({
    section: "Logs",
    env: "PARLEY_LOG_LEVEL",
    flag: "log-level",
    parser: oneOf("debug", "info", "warn", "error", "silent"),
    default: "info",
    description: "The least level that is logged.",
  }),
  logFormat: setting({
    section: "Logs",
    env: "PARLEY_LOG_FORMAT",
    flag: "log-format",
    parser: oneOf("auto", "text", "json"),
    default: "auto",
    description: "`auto`: text on a terminal, JSON lines elsewhere.",
  }),
} as const;

export type SettingKey = keyof typeof settings;

/** Read by the test suites and the terminal client, not by the server. Anything else under PARLEY_ is a mistake. */
export const otherVariables = {
  names: ["PARLEY_URL", "PARLEY_WORKSPACE_TOKEN", "PARLEY_RECORDINGS"],
  prefixes: ["PARLEY_TEST_"],
} as const;
