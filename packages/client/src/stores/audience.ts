import type { Runtime, Timer } from "../runtime.ts";

export interface AudienceOptions {
  runtime: Runtime;
  /** How long what is followed goes on after the last listener has left. */
  lingerMs: number;
  /** The first listener is there. */
  onFirst(): void;
  /** The last one has been gone for `lingerMs`. */
  onGone(): void;
}

/** Who listens to a store. React leaves and comes back within moments (StrictMode, a change of route): that is no end. */
export class Audience {
  readonly #options: AudienceOptions;
  readonly #listeners = new Set<() => void>();
  #linger: Timer | null = null;
  #open = false;

  constructor(options: AudienceOptions) {
    this.#options = options;
  }

  /** Listened to, or within `lingerMs` of it. */
  get isOpen(): boolean {
    return this.#open;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    // Wrapped, so that the same function may listen twice.
    const own = () => listener();
    this.#listeners.add(own);
    this.#linger?.cancel();
    this.#linger = null;
    if (!this.#open) {
      this.#open = true;
      this.#options.onFirst();
    }
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#left();
    };
  };

  /** Tells everybody. What one of them throws reaches neither the others nor the caller. */
  notify(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Ends it now, whoever listens. */
  close(): void {
    this.#listeners.clear();
    this.#linger?.cancel();
    this.#linger = null;
    if (!this.#open) return;
    this.#open = false;
    this.#options.onGone();
  }

  #left(): void {
    if (!this.#open) return;
    const { runtime, lingerMs } = this.#options;
    this.#linger = runtime.timer(lingerMs, "store linger", () => {
      this.#linger = null;
      this.#open = false;
      this.#options.onGone();
    });
  }
}
