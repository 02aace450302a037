/** What an application that embeds a replica, or brings its own tools, builds on. */
export { ConfigError, loadConfig, type Config, type LoadOptions } from "./config.ts";
export { createEngine, type EngineDeps } from "./engine.ts";
export { systemClock, type Clock } from "./lib/clock.ts";
export { silentLogger, type Logger } from "./lib/logger.ts";
export { systemRandom, type Random } from "./lib/random.ts";
export type { ModelPort, ModelReply, ModelRequest } from "./models/model-port.ts";
export { startEmbedded, type EmbeddedOptions, type EmbeddedServer } from "./postgres/embedded.ts";
export { createDatabase, type Database } from "./postgres/database.ts";
export { migrate } from "./postgres/migrate.ts";
export type { ConnectionSettings } from "./postgres/settings.ts";
export type { Replica } from "./engine/replica.ts";
export type { ToolKit } from "./tools/load-tools.ts";
export { defineTool, type Tool, type ToolContext, type ToolDefinition } from "./tools/tool.ts";
