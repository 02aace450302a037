/** Runs `fn` when what is ready now has been handled. Part of the runtime's seams: the simulator brings its own. */
export type NextTurn = (fn: () => void) => void;

export const nextTurn: NextTurn = (fn) => void setImmediate(fn);

/** Something that was held back until the turn of the loop is over. */
export interface Held {
  turnOver(): void;
}

/** Wakes, once at the end of a turn of the loop, everybody who asked for it in that turn: one callback for all of them. */
export class TurnEnd {
  readonly #turn: NextTurn;
  #held: Held[] = [];

  constructor(turn: NextTurn) {
    this.#turn = turn;
  }

  wait(held: Held): void {
    if (this.#held.push(held) === 1) this.#turn(() => this.#over());
  }

  #over(): void {
    const all = this.#held;
    this.#held = [];
    for (const held of all) held.turnOver();
  }
}
