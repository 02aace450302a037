import { secretsOf, type Config } from "../config.ts";
import type { Logger } from "../lib/logger.ts";
import { createLogger } from "../telemetry/logger.ts";
import type { CliContext } from "./context.ts";

/** The log goes to standard error: standard output holds what a command was asked for. */
export function logOf(
  config: Config,
  { stderr, env, clock }: CliContext,
  secrets: readonly string[] = [],
): Logger {
  const text = config.logFormat === "text" || (config.logFormat === "auto" && stderr.isTTY);
  return createLogger({
    level: config.logLevel,
    format: text ? "text" : "json",
    colour: stderr.isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb",
    secrets: [...secretsOf(config), ...secrets],
    clock,
    write: (line) => stderr.write(line),
  });
}

/** For commands whose own output says everything: only what went wrong is logged. */
export function quietLogOf(config: Config, context: CliContext): Logger {
  return logOf(config.logLevel === "info" ? { ...config, logLevel: "warn" } : config, context);
}
