import type { StreamCloseReason } from "@parley/protocol";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { EncodedEvent, Sink, Subscription } from "../../stream/ports.ts";
import type { OpenStreamHandle } from "./stream-registry.ts";

/** How events get onto one connection. None of it throws. */
export interface Wire {
  /** False: as much waits in the socket as it holds (its high-water mark, 64 KiB); `drained` follows when it is empty. */
  send(events: readonly EncodedEvent[]): boolean;
  /** Shows that the server lives. */
  ping(): void;
  /** Says why, and ends the connection in an orderly way. */
  end(reason: StreamCloseReason): void;
  /** Cuts the connection. */
  destroy(): void;
}

export interface StreamSessionOptions {
  readonly clock: Clock;
  readonly pingMs: number;
}

/** A client that does not take our goodbye within this time is cut off. */
const closeGraceMs = 5_000;

/**
 * One client's stream, between the subscription that fills it and the wire that carries it: pressure back from the
 * socket, keep-alive, and the end, whoever brings it about. What comes before the wire is there is kept.
 */
export class StreamSession implements Sink, OpenStreamHandle {
  readonly #options: StreamSessionOptions;
  #wire: Wire | null = null;
  #subscription: Subscription | null = null;
  readonly #early: EncodedEvent[] = [];
  #held = false;
  #over: StreamCloseReason | "gone" | null = null;
  #timer: Timer | null = null;
  #goodbye: Timer | null = null;
  #onOver: (() => void)[] = [];

  constructor(options: StreamSessionOptions) {
    this.#options = options;
  }

  /** The connection stands: from now on events go out as they come. */
  attach(wire: Wire, subscription: Subscription): void {
    this.#wire = wire;
    this.#subscription = subscription;
    const over = this.#over;
    if (over !== null) {
      subscription.close();
      if (over === "gone") wire.destroy();
      else this.#farewell(wire, over);
      return;
    }
    this.#armPing();
    const early = this.#early.splice(0);
    const hasRoom = early.length === 0 || wire.send(early);
    if (this.#held && hasRoom) this.#release();
  }

  /** Calls `fn` once the stream is over (at once when it is). */
  onOver(fn: () => void): void {
    if (this.#over !== null) fn();
    else this.#onOver.push(fn);
  }

  write(events: readonly EncodedEvent[]): boolean {
    if (this.#over !== null) return true;
    if (this.#wire === null) {
      this.#early.push(...events);
      this.#held = true;
      return false;
    }
    this.#held = !this.#wire.send(events);
    return !this.#held;
  }

  /** The wire has room again. Asked for by no callback of a write: those cost a turn of Node's queue for each part. */
  drained(): void {
    if (this.#held && this.#over === null) this.#release();
  }

  /** The subscription ends the stream: it calls nothing after this. */
  close(reason: StreamCloseReason): void {
    if (!this.#finish(reason)) return;
    if (this.#wire) this.#farewell(this.#wire, reason);
  }

  /** The server ends the stream: its right was withdrawn, or it shuts down. */
  end(reason: StreamCloseReason): void {
    if (!this.#finish(reason)) return;
    this.#subscription?.close();
    if (this.#wire) this.#farewell(this.#wire, reason);
  }

  /** The client is gone. */
  gone(): void {
    // A timer that is left would keep a process that ends alive until it fires.
    this.#goodbye?.cancel();
    if (!this.#finish("gone")) return;
    this.#subscription?.close();
  }

  #release(): void {
    this.#held = false;
    this.#subscription?.drained();
  }

  #armPing(): void {
    const { clock, pingMs } = this.#options;
    this.#timer = clock.timer(pingMs, "http.stream_ping", () => {
      this.#wire?.ping();
      if (this.#over === null) this.#armPing();
    });
  }

  #farewell(wire: Wire, reason: StreamCloseReason): void {
    wire.end(reason);
    // The client's side of the goodbye, or its absence: either way the socket does not stay.
    const destroy = (): void => wire.destroy();
    this.#goodbye = this.#options.clock.timer(closeGraceMs, "http.stream_close", destroy);
  }

  #finish(over: StreamCloseReason | "gone"): boolean {
    if (this.#over !== null) return false;
    this.#over = over;
    this.#timer?.cancel();
    for (const fn of this.#onOver.splice(0)) fn();
    return true;
  }
}
