import type { NextTurn } from "../turn.ts";
import type { RelaySocket } from "./ports.ts";
import { encodeFrame } from "./wire.ts";

/** One frame takes no more messages than this: after a reconnect everything is asked for at once. */
const frameMessagesMax = 1_000;

/** The asking side's messages: those of one turn of the event loop go as one frame. They are small and few. */
export class Sending {
  readonly #socket: RelaySocket;
  readonly #turn: NextTurn;
  #waiting: string[] = [];
  #armed = false;
  #stopped = false;

  constructor(socket: RelaySocket, turn: NextTurn) {
    this.#socket = socket;
    this.#turn = turn;
  }

  push(message: string): void {
    this.#waiting.push(message);
    if (this.#armed) return;
    this.#armed = true;
    this.#turn(() => this.#flush());
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
  }

  #flush(): void {
    this.#armed = false;
    while (!this.#stopped && this.#waiting.length > 0) {
      this.#socket.send(encodeFrame(this.#waiting.splice(0, frameMessagesMax)));
    }
  }
}
