import { createClient, type Client, type Runtime } from "@parley/client";
import type { HttpConnection, HttpNetwork } from "../network/http.ts";
import { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";
import type { Scheduler } from "../scheduler.ts";

/** A client's machine: the real SDK in a process of its own, behind a load balancer. */
export class Device {
  readonly process: SimProcess;
  readonly client: Client;
  readonly #fetch: ReturnType<HttpNetwork["fetchOf"]>;
  /** Connections that were opened, the newest last; bounded. */
  readonly connections: HttpConnection[] = [];

  constructor(options: {
    readonly name: string;
    readonly token: string;
    readonly scheduler: Scheduler;
    readonly network: HttpNetwork;
    readonly rng: Rng;
  }) {
    const { name, token, scheduler, network, rng } = options;
    this.process = new SimProcess({ name, scheduler, rng: rng.fork("timers") });
    const chance = rng.fork("sdk");
    const balancer = rng.fork("balancer");
    const choose = (): string | null => {
      const { hosts } = network;
      return hosts.length === 0 ? null : balancer.pick(hosts);
    };
    this.#fetch = network.fetchOf(this.process, choose, (connection) => this.#opened(connection));
    this.client = createClient({
      baseUrl: "http://parley",
      token,
      fetch: this.#fetch,
      runtime: runtimeOf(this.process, name, chance),
      webSockets: network.sockets.of({
        process: this.process,
        choose,
        // A browser, or another program.
        sendsHeaders: rng.fork("kind").chance(0.5),
        onOpen: (connection) => this.#opened(connection),
      }),
    });
  }

  /** What is behind an address; null: there was no answer. */
  async download(url: string): Promise<{ status: number; bytes: Buffer | null } | null> {
    // The client has its own; who follows a link has the browser's.
    const abort = new AbortController();
    const patience = this.process.timer(downloadMsMax, "download", () => abort.abort());
    try {
      const answer = await this.#fetch(url, { signal: abort.signal });
      const bytes = Buffer.from(await answer.arrayBuffer());
      return { status: answer.status, bytes: answer.ok ? bytes : null };
    } catch {
      return null;
    } finally {
      patience.cancel();
    }
  }

  /** Takes again what comes, on every connection. */
  wake(): void {
    for (const connection of this.connections) connection.stall(false);
  }

  #opened(connection: HttpConnection): void {
    this.connections.push(connection);
    if (this.connections.length > connectionsKept) this.connections.shift();
  }
}

const connectionsKept = 16;

/** Whoever has lost the server behind a download hears nothing of it. */
const downloadMsMax = 30_000;

function runtimeOf({ clock }: SimProcess, name: string, rng: Rng): Runtime {
  let uuids = 0;
  return {
    monotonicMs: () => clock.monotonic(),
    wallMs: () => clock.now(),
    random: () => rng.float(),
    uuid: () => `key-${name}-${++uuids}`,
    timer: (ms, label, fn) => clock.timer(ms, label, fn),
  };
}
