/** What a scope does with an error that nobody awaits. */
export type BackgroundErrorHandler = (error: unknown, label: string) => void;

interface Entry {
  label: string;
  release: () => Promise<void>;
}

/**
 * Owns background work and clean-ups. `stop` aborts the signal, then goes back through everything in reverse
 * order: it awaits what was run and calls what was deferred. Nothing floats, and nothing is released before
 * what was built on top of it.
 */
export class Scope {
  readonly #controller = new AbortController();
  readonly #entries = new Set<Entry>();
  readonly #onError: BackgroundErrorHandler;
  #stopping: Promise<void> | undefined;
  #onStopped: (() => void) | undefined;

  constructor(onError: BackgroundErrorHandler) {
    this.#onError = onError;
  }

  /** Aborts when the scope begins to stop. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Starts the work and owns its promise. The returned promise never rejects: errors go to `onError`, unless the
   * scope is stopping and the error is its own abort. After `stop` has begun nothing is started.
   */
  run(label: string, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    const running = this.#settled(label, () => work(this.signal));
    const entry: Entry = { label, release: () => running };
    this.#entries.add(entry);
    return running.finally(() => this.#entries.delete(entry));
  }

  /** Calls `fn` on stop. When the scope has stopped already, calls it now: what was opened is closed either way. */
  defer(label: string, fn: () => unknown): void {
    const release = (): Promise<void> => this.#settled(label, async () => fn());
    if (this.#stopping) {
      this.#stopping = this.#stopping.then(release);
      return;
    }
    this.#entries.add({ label, release });
  }

  /** A scope that is stopped with this one, in its place in the order, and may be stopped before. */
  child(label: string): Scope {
    const child = new Scope(this.#onError);
    const entry: Entry = { label, release: () => child.stop() };
    if (this.#stopping) {
      this.defer(label, () => child.stop());
      return child;
    }
    this.#entries.add(entry);
    child.#onStopped = () => this.#entries.delete(entry);
    return child;
  }

  /** Safe to call more than once. Must not be awaited by work that the scope itself runs. */
  async stop(reason?: unknown): Promise<void> {
    if (!this.#stopping) {
      // Set before the abort is heard: a listener that calls `run` or `defer` must find the scope stopping.
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#stopping = promise;
      resolve(this.#release(reason));
    }
    // A late `defer` appends to the chain; wait until it has come to rest.
    for (let seen: Promise<void> | undefined; seen !== this.#stopping;) {
      seen = this.#stopping;
      await seen;
    }
    this.#onStopped?.();
  }

  async #release(reason: unknown): Promise<void> {
    const entries = [...this.#entries].reverse();
    this.#controller.abort(reason);
    for (const entry of entries) {
      await entry.release();
      this.#entries.delete(entry);
    }
  }

  async #settled(label: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const ownAbort = this.signal.aborted && isAbort(error, this.signal);
      if (!ownAbort) this.#onError(error, label);
    }
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === "AbortError");
}
