/** Which calls of a batch only wait: tells when nothing else is left of it, and when something works again. */
export class Idling {
  readonly #tell: ((idle: boolean) => Promise<void>) | undefined;
  #working: number;
  #waiting = 0;
  #idle = false;
  #told: Promise<void> = Promise.resolve();

  /** @param calls how many there are: until it says otherwise, each of them works */
  constructor(calls: number, tell: ((idle: boolean) => Promise<void>) | undefined) {
    this.#working = calls;
    this.#tell = tell;
  }

  /** One call, until it `end`s. */
  call(): IdlingCall {
    let waits = 0;
    let ended = false;
    return {
      idle: async (wait) => {
        waits += 1;
        if (!ended && waits === 1) await this.#move(-1, 1);
        try {
          return await wait();
        } finally {
          waits -= 1;
          if (!ended && waits === 0) await this.#move(1, -1);
        }
      },
      end: async () => {
        if (ended) return;
        ended = true;
        await (waits > 0 ? this.#move(0, -1) : this.#move(-1, 0));
      },
    };
  }

  async #move(working: number, waiting: number): Promise<void> {
    this.#working += working;
    this.#waiting += waiting;
    const idle = this.#working === 0 && this.#waiting > 0;
    if (idle !== this.#idle && this.#tell !== undefined) {
      this.#idle = idle;
      const tell = this.#tell;
      // One after the other: who resumes has its place back before it goes on.
      this.#told = this.#told.then(async () => await tell(idle));
    }
    await this.#told;
  }
}

export interface IdlingCall {
  idle: <T>(wait: () => Promise<T>) => Promise<T>;
  end: () => Promise<void>;
}
