import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";

/** A wire to one TCP port on loopback, on which a test can cause the faults of real networks. */
export interface NetworkProxy {
  readonly port: number;
  /** Breaks every connection; with `refuse`, new ones too until `restore`. */
  cut(refuse?: boolean): void;
  /** Takes connections and passes nothing on, in either direction: half of a network is gone and nobody says so. */
  goSilent(): void;
  /** Passes everything on only after this long. */
  slowDown(ms: number): void;
  /** Passes on no more than this many bytes a second in each direction of each connection. */
  limit(bytesPerSecond: number): void;
  /** Passes everything on at once again, to those that are left and to new ones. */
  restore(): void;
  close(): Promise<void>;
}

interface Weather {
  refuse: boolean;
  silent: boolean;
  delayMs: number;
  bytesPerSecond: number;
}

const fair: Weather = { refuse: false, silent: false, delayMs: 0, bytesPerSecond: Infinity };

/** `target` is asked at each connection: what listens there may be started anew elsewhere. */
export async function createNetworkProxy(target: () => number): Promise<NetworkProxy> {
  const weather: Weather = { ...fair };
  const pairs = new Set<readonly [Pipe, Pipe]>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (weather.refuse) {
      client.destroy();
      return;
    }
    const upstream = createConnection({
      port: target(),
      host: "127.0.0.1",
      allowHalfOpen: true,
    });
    const pair = [
      new Pipe(client, upstream, weather),
      new Pipe(upstream, client, weather),
    ] as const;
    pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.on("error", () => end());
      socket.on("close", () => end());
    }
    const end = (): void => {
      pairs.delete(pair);
      for (const pipe of pair) pipe.destroy();
    };
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const cutAll = (): void => {
    for (const pair of pairs) for (const pipe of pair) pipe.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut(refuse = false) {
      weather.refuse = refuse;
      cutAll();
    },
    goSilent: () => void (weather.silent = true),
    slowDown: (ms) => void (weather.delayMs = ms),
    limit: (bytesPerSecond) => void (weather.bytesPerSecond = bytesPerSecond),
    restore() {
      Object.assign(weather, fair);
      for (const pair of pairs) for (const pipe of pair) pipe.wake();
    },
    async close() {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One direction of a connection: what comes is passed on in order, as the weather allows. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: Weather;
  #timer: NodeJS.Timeout | null = null;

  constructor(from: Socket, to: Socket, weather: Weather) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    from.on("data", (chunk: Buffer) => this.#pass(chunk));
    from.on("end", () => to.end());
  }

  /** Looks at the weather again. */
  wake(): void {
    if (this.#timer === null) this.#from.resume();
  }

  destroy(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#from.destroy();
  }

  /** Nothing more is read until this is through: so what is held back holds back its sender. */
  #pass(chunk: Buffer): void {
    const { silent, delayMs, bytesPerSecond } = this.#weather;
    const write = (): void => {
      this.#timer = null;
      if (this.#weather.silent) return this.#hold(chunk);
      if (!this.#to.destroyed) this.#to.write(chunk);
      this.#from.resume();
    };
    const waitMs = delayMs + (1000 * chunk.length) / bytesPerSecond;
    if (!silent && waitMs === 0) {
      if (!this.#to.destroyed) this.#to.write(chunk);
      return;
    }
    this.#from.pause();
    if (silent) this.#hold(chunk);
    else this.#timer = setTimeout(write, waitMs);
  }

  #hold(chunk: Buffer): void {
    this.#from.unshift(chunk);
    this.#from.pause();
  }
}
