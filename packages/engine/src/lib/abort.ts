/**
 * Links of our own: `AbortSignal.any` leaks as long as one of its sources lives (nodejs/node #54614), and a
 * replica's stop signal lives as long as the process.
 */

/** Calls `fn` once when the signal aborts (at once when it has). Returns the way to take it back. */
export function onAbort(signal: AbortSignal, fn: (reason: unknown) => void): () => void {
  if (signal.aborted) {
    fn(signal.reason);
    return () => {};
  }
  const listener = (): void => fn(signal.reason);
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

export interface LinkedAbort extends Disposable {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  /** Lets go of the parents; the signal itself is left as it is. */
  dispose(): void;
}

/** A controller that aborts with any of its parents, with the parent's reason. Dispose it when the work is done. */
export function linked(...parents: (AbortSignal | undefined)[]): LinkedAbort {
  const controller = new AbortController();
  const unlink: (() => void)[] = [];
  const dispose = (): void => {
    for (const off of unlink.splice(0)) off();
  };
  const abort = (reason?: unknown): void => {
    dispose();
    controller.abort(reason);
  };
  for (const parent of parents) {
    if (parent && !controller.signal.aborted) unlink.push(onAbort(parent, abort));
  }
  if (controller.signal.aborted) dispose();
  return { signal: controller.signal, abort, dispose, [Symbol.dispose]: dispose };
}

/** The promise's outcome, or a throw of the signal's reason as soon as it aborts. The promise itself goes on. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const off = onAbort(signal, reject);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    off();
  }
}
