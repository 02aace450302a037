import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Acquisition } from "./acquisition/acquisition.ts";
import type { Liveness } from "./liveness/loop.ts";
import type { Checkpoints } from "./ports.ts";
import type { RunnerManager } from "./runner/manager.ts";

export interface DrainDeps {
  readonly liveness: Liveness;
  readonly acquisition: Acquisition;
  readonly manager: RunnerManager;
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long giving up the rest may take: the database may be what is being stopped. */
const giveBackMs = 5_000;

/**
 * Takes nothing more, lets every step that runs come to its end within the grace, then stores what was said and gives
 * the rest up, so that others take over at once.
 */
export async function drainWorker(
  deps: DrainDeps,
  graceMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const { liveness, acquisition, manager, checkpoints, clock, logger } = deps;
  acquisition.drain();
  liveness.drain();
  const runners = manager.list();
  for (const runner of runners) runner.drain();
  await within(clock, graceMs, "drain.grace", runners, signal);
  const rest = manager.list();
  if (rest.length === 0) return;
  logger.info({ chats: rest.length }, "the grace is over: the rest is handed over as it is");
  try {
    await checkpoints.flush();
  } catch (error) {
    logger.warn({ err: error }, "checkpoints could not be written");
  }
  for (const runner of rest) runner.giveBack();
  await within(clock, giveBackMs, "drain.give_back", rest, signal);
}

/** Resolves when all have ended, when the time is up, or on abort. */
async function within(
  clock: Clock,
  ms: number,
  label: string,
  runners: readonly { ended(): Promise<void> }[],
  signal?: AbortSignal,
): Promise<void> {
  if (runners.length === 0) return;
  const done = new AbortController();
  const stop = (): void => done.abort();
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  const all = Promise.all(runners.map((runner) => runner.ended())).then(stop);
  await clock.sleep(ms, label, done.signal);
  signal?.removeEventListener("abort", stop);
  // Whoever has not ended by now is dealt with by the caller; its promise resolves when it ends.
  void all;
}
