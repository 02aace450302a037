import type { Runtime, Timer } from "../runtime.ts";

/**
 * When listeners are told. Live parts come faster than screens are drawn: where the runtime knows when it draws, those are
 * told once per drawing, and everything else at once.
 */
export class Publisher {
  readonly #runtime: Runtime;
  readonly #publish: () => void;
  #waiting: Timer | null = null;

  constructor(runtime: Runtime, publish: () => void) {
    this.#runtime = runtime;
    this.#publish = publish;
  }

  now(): void {
    this.cancel();
    this.#publish();
  }

  /** With the next drawing. */
  soon(): void {
    const { frame } = this.#runtime;
    if (frame === undefined) return this.now();
    this.#waiting ??= frame(() => {
      this.#waiting = null;
      this.#publish();
    });
  }

  cancel(): void {
    this.#waiting?.cancel();
    this.#waiting = null;
  }
}
