import { pino, type Logger as Pino } from "pino";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { redactor, safeFields } from "./redact.ts";
import { formatText } from "./text-format.ts";

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  readonly format: "text" | "json";
  /** Whether text may use colours. */
  readonly colour?: boolean;
  /** Values that must never appear, beside everything that looks like a secret. */
  readonly secrets: readonly string[];
  readonly clock: Pick<Clock, "now">;
  /** Takes whole lines. */
  readonly write: (line: string) => void;
}

/** The log of a process. Every line passes the redactor, whatever was put into it. */
export function createLogger(options: LoggerOptions): Logger {
  const redact = redactor(options.secrets);
  const write = (line: string): void => {
    const clean = redact(line);
    options.write(options.format === "text" ? formatText(clean, options.colour ?? false) : clean);
  };
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date(options.clock.now()).toISOString()}"`,
      formatters: { log: safeFields },
      // The usual serializers would come first and put in all of an error's properties.
      serializers: { err: (error: unknown) => error },
    },
    { write },
  );
  return wrapped(root);
}

/** pino's own `child` would take its fields past the formatter. */
function wrapped(log: Pino): Logger {
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    child: (fields) => wrapped(log.child(safeFields(fields))),
  };
}
