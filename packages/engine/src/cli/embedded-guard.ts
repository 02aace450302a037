import type { Config } from "../config.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Logger } from "../lib/logger.ts";
import { Scope } from "../lib/scope.ts";
import { startEmbedded, type EmbeddedServer } from "../postgres/embedded.ts";
import type { CliContext } from "./context.ts";
import { embeddedOptions, type DatabasePlace } from "./open-database.ts";

export interface EmbeddedGuard {
  /** Gives the embedded server up; the last one out stops it. */
  stop(): Promise<void>;
}

/** How long the embedded server may be gone unnoticed: the pool finds out by itself, this only starts it again. */
const lookEveryMs = 1_000;
const restartBackoff = { baseMs: 500, maxMs: 30_000 };

/**
 * Nobody else looks after the embedded server: when it is gone (the kernel's memory killer likes databases) it is
 * started again on the same folder and socket, and every connection of ours comes back by itself.
 */
export function guardEmbedded(
  { embedded }: DatabasePlace,
  config: Config,
  context: CliContext,
  logger: Logger,
): EmbeddedGuard {
  if (embedded === null) return { stop: () => Promise.resolve() };
  const { clock, random } = context;
  const scope = new Scope((err) => logger.error({ err }, "the embedded database is unguarded"));
  const held: EmbeddedServer[] = [embedded];
  void scope.run("guard the embedded database", async (signal) => {
    let failures = 0;
    let { pid } = embedded;
    while (!signal.aborted) {
      /* oxlint-disable no-await-in-loop */
      await clock.sleep(lookEveryMs, "embedded.guard", signal);
      if (signal.aborted || isAlive(pid)) continue;
      try {
        logger.error({ pid }, "the embedded database is gone; starting it again");
        const again = await startEmbedded(embeddedOptions(config, context, logger));
        held.push(again);
        ({ pid } = again);
        failures = 0;
      } catch (err) {
        failures += 1;
        logger.error({ err, failures }, "the embedded database does not start");
        await clock.sleep(backoffMs(failures, restartBackoff, random), "embedded.restart", signal);
      }
      /* oxlint-enable no-await-in-loop */
    }
  });
  return {
    async stop() {
      await scope.stop();
      // oxlint-disable-next-line no-await-in-loop
      for (const server of held) await server.stop();
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Someone else's process is a live one too.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
