import { nowMs } from "./time.ts";

const words = "lorem ipsum dolor sit amet consectetur adipi";

/** A piece of text as models send them, with the moment at which it was made: about 60 bytes. */
export function stamped(said = words): string {
  return `t=${nowMs().toFixed(3)};${said}`;
}

/** What stands before the moment in a live part, on every contender's wire. */
export const stampMark = '"delta":"t=';

/**
 * Says something in each of many chats at a steady pace, one chat after the other. What the timer misses is made up
 * for at once, so that every contender is asked for the same number of parts.
 */
export class Pacer {
  readonly #timers = new Set<NodeJS.Timeout>();

  start(gapMs: number, emits: readonly ((text: string) => void)[]): void {
    const startedAt = nowMs();
    let done = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((nowMs() - startedAt) / gapMs) * emits.length);
      for (; done < due; done++) emits[done % emits.length]?.(stamped());
    }, 1);
    this.#timers.add(timer);
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
  }
}
