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
  #session: Session | null = null;

  constructor(deps: {
    server: DatabaseServer;
    process: SimProcess;
    scheduler: Scheduler;
    weather: DatabaseWeather;
  }) {
    super();
    this.#server = deps.server;
    this.#process = deps.process;
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
    const bytes = Buffer.from(chunk);
    this.#up.send(() => {
      if (this.#session) this.#server.receive(this.#session, bytes);
    });
    done();
  }

  override _final(done: () => void): void {
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

  #refuse(): void {
    const error = new Error("connect ECONNREFUSED");
    this.destroy(Object.assign(error, { code: "ECONNREFUSED" }));
  }
}
