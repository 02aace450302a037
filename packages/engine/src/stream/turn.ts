/** Runs `fn` when what is ready now has been handled. Part of the runtime's seams: the simulator brings its own. */
export type NextTurn = (fn: () => void) => void;

export const nextTurn: NextTurn = (fn) => void setImmediate(fn);

/** Something that was held back until the turn of the loop is over. */
export interface Held {
  turnOver(): void;
}

/** Tells turns of the loop apart, and wakes at the end of one everybody who asked for it: one callback for all of them. */
export class TurnEnd {
  readonly #turn: NextTurn;
  #held: Held[] = [];
  #number = 0;
  #armed = false;

  constructor(turn: NextTurn) {
    this.#turn = turn;
  }

  /** Of the turn that is on: another one from the next turn on. */
  get number(): number {
    if (!this.#armed) this.#arm();
    return this.#number;
  }

  wait(held: Held): void {
    this.#held.push(held);
    if (!this.#armed) this.#arm();
  }

  #arm(): void {
    this.#armed = true;
    this.#turn(this.#over);
  }

  readonly #over = (): void => {
    this.#armed = false;
    this.#number += 1;
    if (this.#held.length === 0) return;
    const all = this.#held;
    this.#held = [];
    for (const held of all) held.turnOver();
  };
}
