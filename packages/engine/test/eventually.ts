import { setTimeout as pause } from "node:timers/promises";

/**
 * How often another process is asked, and for how long; what a test process itself does comes as a signal instead. Nothing
 * is measured by it: it ends what hangs, and is long because a machine may have twenty times as much to do as it can.
 */
const lookEveryMs = 20;
const withinMsDefault = 120_000;

/**
 * Looks until there is something, for states that only another process knows: a row of its database, a file, a port.
 *
 * @throws what is still missing, when the time is over.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = withinMsDefault,
): Promise<T> {
  const until = performance.now() + withinMs;
  /* oxlint-disable no-await-in-loop */
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(lookEveryMs);
  }
  /* oxlint-enable no-await-in-loop */
}

/** The promise, or an error that says what did not come. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  ms = withinMsDefault,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
