import type { Json } from "@parley/protocol";
import type { Clock, Timer } from "../lib/clock.ts";
import { storableJson } from "../lib/storable.ts";
import { cutOutput } from "./cut-output.ts";

/** As often as people can read; a tool may call in a tight loop, and every client of the chat is told. */
const everyMs = 100;
const progressBytesMax = 8 * 1024;

/** One call's progress: the first value at once, then the newest at most every 100 ms. */
export class Progress {
  readonly #clock: Pick<Clock, "timer">;
  readonly #tell: (value: Json) => void;
  #newest: { readonly value: Json } | null = null;
  #timer: Timer | null = null;
  #isOver = false;

  constructor(clock: Pick<Clock, "timer">, tell: (value: Json) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  tell(value: Json): void {
    if (this.#isOver) return;
    this.#newest = { value: shown(value) };
    if (this.#timer === null) this.#flush();
  }

  /** Nothing is told any more: the result says more than the last value could. */
  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #flush(): void {
    this.#timer = null;
    if (this.#newest === null) return;
    const { value } = this.#newest;
    this.#newest = null;
    this.#timer = this.#clock.timer(everyMs, "tool progress", () => this.#flush());
    this.#tell(value);
  }
}

/** Never throws: a tool does not fail for what it says on the way, and may say it where nobody would catch an error. */
function shown(value: unknown): Json {
  try {
    return cutOutput(storableJson(value), progressBytesMax, 0);
  } catch {
    return "[progress that cannot be shown]";
  }
}
