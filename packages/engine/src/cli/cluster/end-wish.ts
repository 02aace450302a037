import { tell, type CliContext } from "../context.ts";

/** SIGHUP is what a closed terminal sends. */
const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One Ctrl-C under npm comes twice: what comes this soon after the first is the same wish. */
const sameWishMs = 500;

/** The first signal (or `end`) asks for an orderly end, the second for one at once. */
export class EndWish {
  readonly #controller = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  readonly #context: CliContext;
  readonly dispose: () => void;
  #wishedAt = 0;
  #second: () => void = () => {};

  constructor(context: CliContext) {
    this.#context = context;
    this.dispose = context.onSignal(endSignals, (signal) => this.#heard(signal));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  wait(): Promise<void> {
    return this.#ended.promise;
  }

  onSecond(fn: () => void): void {
    this.#second = fn;
  }

  end(): void {
    this.#wish("quit");
  }

  #heard(signal: NodeJS.Signals): void {
    if (!this.signal.aborted) {
      this.#wish(signal);
      return;
    }
    if (this.#context.clock.monotonic() - this.#wishedAt < sameWishMs) return;
    tell(this.#context, `${signal} again: killing all of them.`);
    this.#second();
  }

  #wish(what: string): void {
    if (this.signal.aborted) return;
    tell(this.#context, `${what}: letting running steps end; once more ends at once.`);
    this.#wishedAt = this.#context.clock.monotonic();
    this.#controller.abort();
    this.#ended.resolve();
  }
}
