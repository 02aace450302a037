/** Holds back what must not be done before something is known. Opened once, it stays open. */
export class Latch {
  #waiting: (() => void)[] | null = [];

  /** Calls `fn` when the latch is opened, in that very moment; at once where it is open. */
  whenOpen(fn: () => void): void {
    if (this.#waiting === null) fn();
    else this.#waiting.push(fn);
  }

  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const fn of waiting) fn();
  }
}
