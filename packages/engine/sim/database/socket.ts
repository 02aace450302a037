import { Duplex } from "node:stream";
import { Pipe } from "../network/pipe.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SimProcess } from "../process.ts";
import type { DatabaseServer } from "./server.ts";
import type { DatabaseWeather } from "./ports.ts";
import type { Session } from "./session.ts";

/** What a refused or hopeless connection attempt takes. */
const refusalMs = 3;

/** What the driver takes for a socket: its bytes go to the simulated server, and back. */
export class DatabaseSocket extends Duplex {
  readonly #server: DatabaseServer;
  readonly #process: SimProcess;
  readonly #up: Pipe;
  readonly #scheduler: Scheduler;
  #session: Session | null = null;
  /** What was written at this instant and is on its way in one packet. */
  #packet: { readonly atMs: number; readonly chunks: Buffer[] } | null = null;

  constructor(deps: {
    server: DatabaseServer;
    process: SimProcess;
    scheduler: Scheduler;
    weather: DatabaseWeather;
  }) {
    super();
    this.#server = deps.server;
    this.#process = deps.process;
    this.#scheduler = deps.scheduler;
    this.#up = new Pipe({
      scheduler: deps.scheduler,
      latencyMs: () => deps.weather.latencyMs(deps.process),
      passes: () => deps.weather.reachesDatabase(deps.process),
      deliver: (fn) => fn(),
    });
  }

  connect(): this {
    this.#up.send(() => {
      if (this.#process.state === "dead" || this.destroyed) return;
      const session = this.#server.connect(this.#process, {
        receive: (bytes) => void (this.destroyed || this.push(bytes)),
        broken: (error) => this.destroy(error),
      });
      this.#session = session;
      if (session) session.down.send(() => this.emit("connect"));
      else this.#process.timer(refusalMs, "refused", () => this.#refuse());
    });
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#send(Buffer.from(chunk));
    done();
  }

  override _final(done: () => void): void {
    this.#packet = null;
    this.#up.send(() => {
      if (this.#session) this.#server.close(this.#session);
      this.#process.deliver(() => this.push(null));
    });
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const session = this.#session;
    if (session) this.#up.send(() => this.#server.close(session));
    done(error);
  }

  #send(bytes: Buffer): void {
    const { nowMs } = this.#scheduler;
    if (this.#packet?.atMs === nowMs) return void this.#packet.chunks.push(bytes);
    const packet = { atMs: nowMs, chunks: [bytes] };
    this.#packet = packet;
    this.#up.send(() => {
      // A latency of nothing: what comes later at this instant goes into another one.
      if (this.#packet === packet) this.#packet = null;
      if (this.#session) this.#server.receive(this.#session, Buffer.concat(packet.chunks));
    });
  }

  #refuse(): void {
    const error = new Error("connect ECONNREFUSED");
    this.destroy(Object.assign(error, { code: "ECONNREFUSED" }));
  }
}
