import type { Server } from "node:http";
import type { WebSockets } from "@parley/client";
import { WebSocket } from "ws";
import type { Scheduler } from "../scheduler.ts";
import type { SimProcess } from "../process.ts";
import type { HttpConnection } from "./http.ts";
import { TcpConnection } from "./tcp.ts";
import type { NetworkWeather } from "./weather.ts";

interface Listening {
  readonly process: SimProcess;
  readonly server: Server;
}

interface Open extends HttpConnection {
  readonly tcp: TcpConnection;
}

export interface SocketClient {
  readonly process: SimProcess;
  /** The load balancer: which replica it is this time. */
  readonly choose: () => string | null;
  /** Browsers cannot send headers with a WebSocket: a ticket says there who asks. */
  readonly sendsHeaders: boolean;
  readonly onOpen: (connection: HttpConnection) => void;
}

/**
 * WebSockets of clients: a library's client, the bytes of a connection that fails as the weather has it, and the replica's
 * own HTTP server with all that it does with an upgrade.
 */
export class WebSocketNetwork {
  readonly #scheduler: Scheduler;
  readonly #weather: NetworkWeather;
  readonly #listening = new Map<string, Listening>();
  readonly #open = new Set<Open>();
  /** What is done to the bytes of a server on their way, a frame at a time: for mutations. */
  onChunk: (chunk: Buffer) => readonly Buffer[] = (chunk) => [chunk];

  constructor(scheduler: Scheduler, weather: NetworkWeather) {
    this.#scheduler = scheduler;
    this.#weather = weather;
  }

  get open(): number {
    this.#forgetOver();
    return this.#open.size;
  }

  /** Connections that this server has not closed yet. */
  heldBy(server: SimProcess): number {
    return [...this.#open].filter(
      ({ tcp }) => tcp.server.process === server && !tcp.server.destroyed,
    ).length;
  }

  listen(host: string, listening: Listening): void {
    this.#listening.set(host, listening);
  }

  /** Nobody listens there any more; connections that are open break where `heard`, and hang otherwise. */
  close(host: string, heard: boolean): void {
    this.#listening.delete(host);
    if (heard) this.drop({ host });
  }

  /** Breaks open connections of this client, or to this host. @returns how many */
  drop(which: { readonly client?: SimProcess; readonly host?: string }): number {
    this.#forgetOver();
    const dropped = [...this.#open].filter(
      ({ tcp, replica }) =>
        (which.client === undefined || which.client === tcp.client.process) &&
        (which.host === undefined || which.host === replica),
    );
    for (const { tcp } of dropped) tcp.reset("the connection was cut");
    return dropped.length;
  }

  /** What a client's device uses in place of its runtime's WebSocket. */
  of(client: SocketClient): WebSockets {
    const open: WebSockets["open"] = (url, headers) => {
      const at = new URL(url);
      at.protocol = "ws:";
      const socket = new WebSocket(at, {
        ...(headers === undefined ? {} : { headers }),
        perMessageDeflate: false,
        createConnection: () => this.#connect(client).client,
      });
      return socket as unknown as ReturnType<WebSockets["open"]>;
    };
    return { sendsHeaders: client.sendsHeaders, open };
  }

  #connect({ process, choose, onOpen }: SocketClient): TcpConnection {
    const host = choose();
    const listening = host === null ? undefined : this.#listening.get(host);
    const tcp = new TcpConnection({
      scheduler: this.#scheduler,
      weather: this.#weather,
      client: process,
      server: listening?.process ?? process,
      onChunk: (chunk) => this.onChunk(chunk),
      onClosed: () => this.#forgetOver(),
    });
    if (host === null || listening === undefined) {
      process.timer(2, "connect", () => tcp.reset("nobody listens"));
      return tcp;
    }
    const open: Open = { tcp, replica: host, stall: (stalled) => tcp.client.stall(stalled) };
    this.#open.add(open);
    onOpen(open);
    // The handshake of the connection itself takes a way of its own.
    const ms = this.#weather.latencyMs(process, listening.process);
    this.#scheduler.after(ms, () => {
      if (this.#listening.get(host) !== listening) return tcp.reset("nobody listens");
      listening.process.deliver(() => {
        if (!tcp.server.destroyed) listening.server.emit("connection", tcp.server);
      });
    });
    return tcp;
  }

  #forgetOver(): void {
    for (const open of this.#open) if (open.tcp.over) this.#open.delete(open);
  }
}
