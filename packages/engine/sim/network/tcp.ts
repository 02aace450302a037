import { Duplex } from "node:stream";
import type { Scheduler } from "../scheduler.ts";
import type { SimProcess } from "../process.ts";
import { pipeBetween, type Pipe } from "./pipe.ts";
import type { NetworkWeather } from "./weather.ts";

/** Bytes on their way beyond which the operating system takes no more. */
const windowBytes = 64 * 1024;

type Write = (error?: Error | null) => void;

export interface EndDeps {
  readonly process: SimProcess;
  /** Carries what this end says. */
  readonly out: Pipe;
  readonly onChunk: (chunk: Buffer) => readonly Buffer[];
  readonly onClosed: () => void;
}

/** One end of a connection: what is written here is read there, later, and no faster than it is taken there. */
export class TcpEnd extends Duplex {
  readonly process: SimProcess;
  peer: TcpEnd | null = null;
  readonly #out: Pipe;
  readonly #onChunk: EndDeps["onChunk"];
  #inFlight = 0;
  #waiting: Write | null = null;
  #stalled = false;
  /** Null: the other end has said its last. */
  #unread: (Buffer | null)[] = [];
  #heardEnd = false;

  constructor({ process, out, onChunk, onClosed }: EndDeps) {
    super();
    this.process = process;
    this.#out = out;
    this.#onChunk = onChunk;
    this.on("error", () => {});
    this.on("close", onClosed);
  }

  /** Takes nothing for a while: what arrives stays in the window. */
  stall(stalled: boolean): void {
    this.#stalled = stalled;
    if (!stalled) for (const chunk of this.#unread.splice(0)) this.#take(chunk);
  }

  override _read(): void {}

  override _write(whole: Buffer, _encoding: string, done: Write): void {
    for (const chunk of this.#onChunk(whole)) {
      this.#inFlight += chunk.length;
      this.#out.send(() => this.peer?.arrive(chunk));
    }
    if (this.#inFlight > windowBytes) this.#waiting = done;
    else done();
  }

  override _final(done: Write): void {
    this.#out.send(() => this.peer?.arrive(null));
    done();
  }

  override _destroy(error: Error | null, done: Write): void {
    this.#unread = [];
    this.#out.send(() => this.peer?.arrive(null));
    done(error);
  }

  arrive(chunk: Buffer | null): void {
    if (this.destroyed) {
      // What is said to nobody is answered with a reset.
      if (chunk !== null) this.#out.send(() => void this.peer?.destroy(new Error("ECONNRESET")));
      return;
    }
    if (this.#stalled) this.#unread.push(chunk);
    else this.#take(chunk);
  }

  #take(chunk: Buffer | null): void {
    if (this.#heardEnd) return;
    this.#heardEnd = chunk === null;
    this.push(chunk);
    // As a socket does: that it is over is noticed also by who does not read.
    if (chunk === null) this.read(0);
    else this.#out.send(() => this.peer?.taken(chunk.length));
  }

  taken(bytes: number): void {
    this.#inFlight -= bytes;
    if (this.#inFlight > windowBytes) return;
    const done = this.#waiting;
    this.#waiting = null;
    done?.();
  }
}

/** A connection from a client to a replica. */
export class TcpConnection {
  readonly client: TcpEnd;
  readonly server: TcpEnd;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly weather: NetworkWeather;
    readonly client: SimProcess;
    readonly server: SimProcess;
    /** What is done to the server's bytes on their way. */
    readonly onChunk: EndDeps["onChunk"];
    readonly onClosed: () => void;
  }) {
    const { scheduler, weather, client, server, onChunk, onClosed } = options;
    const up = pipeBetween(scheduler, weather, client, server);
    const down = pipeBetween(scheduler, weather, server, client);
    const asIs = (chunk: Buffer): Buffer[] => [chunk];
    this.client = new TcpEnd({ process: client, out: up, onChunk: asIs, onClosed });
    this.server = new TcpEnd({ process: server, out: down, onChunk, onClosed });
    this.client.peer = this.server;
    this.server.peer = this.client;
  }

  /** Nothing of it is left, but with a process that can clean up no more. */
  get over(): boolean {
    return [this.client, this.server].every(
      ({ closed, process }) => closed || process.state === "dead",
    );
  }

  /** Both ends hear that the connection is gone. */
  reset(why: string): void {
    for (const end of [this.client, this.server]) {
      end.process.deliver(() => void end.destroy(new Error(`ECONNRESET: ${why}`)));
    }
  }
}
