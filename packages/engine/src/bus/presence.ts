/** A replica says that it is there when it has connected, and then this often. */
export const announceMs = 5_000;

/** Two announcements of the others and half of a third: whoever hears nothing for this long is alone. */
export const aloneAfterMs = 12_500;

/** So many of our own must have gone unanswered, too: whoever was stopped for a while has not listened for a while. */
const unansweredMin = 2;

/** Whether there are other replicas to be told of anything. Pure: times are monotonic milliseconds. */
export class Presence {
  #heardAt: number;
  #unanswered = 0;
  #alone = false;

  /** Company is taken for granted until it has been missing for long enough. */
  constructor(now: number) {
    this.#heardAt = now;
  }

  get alone(): boolean {
    return this.#alone;
  }

  /** Another replica said something. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#unanswered = 0;
    this.#alone = false;
  }

  /** This replica has said that it is there. */
  announced(now: number): void {
    this.#unanswered += 1;
    const silentMs = now - this.#heardAt;
    if (this.#unanswered >= unansweredMin && silentMs >= aloneAfterMs) this.#alone = true;
  }
}
