import { createServer, STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { assert } from "../../lib/assert.ts";
import { withDeadline } from "../deadline.ts";
import type { Clock } from "../../lib/clock.ts";
import { RelayError } from "./errors.ts";
import { RelayHost, type RelayHostOptions, type RelayHostStats } from "./host.ts";
import { goodbyeMs, socketOptions, WebSocketLink, type RelayTls } from "./web-socket.ts";

/** A request is one line and a few headers: who takes longer wants to hold the connection. */
const requestMs = 5_000;

export interface RelayServerOptions extends RelayHostOptions {
  /** The interface to listen on: one that only replicas reach. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Null: without TLS. Then a secret is needed, and a network that nobody listens on. */
  readonly tls: RelayTls | null;
  readonly clock: Clock;
}

/**
 * Takes links of other replicas, on a port of its own. Whoever cannot authenticate, by certificate before HTTP or by
 * secret in the first request, gets a bare 404 and the end of the connection, whatever he asks.
 */
export class RelayServer {
  readonly #options: RelayServerOptions;
  readonly #host: RelayHost;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    ...socketOptions,
  });

  /** @throws RelayError `relay_refused`, when neither secret nor certificates protect it */
  constructor(options: RelayServerOptions) {
    const { tls, secret } = options;
    if (tls === null && secret === null) {
      throw new RelayError("relay_refused", "A relay needs a secret, certificates, or both.");
    }
    this.#options = options;
    this.#host = new RelayHost(options);
    this.#server = newServer(tls);
    this.#server.on("connection", (socket: Socket) => {
      this.#connections.add(socket);
      socket.once("close", () => this.#connections.delete(socket));
    });
    this.#server.on("request", (request) => refuse(request.socket, 404));
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on("clientError", (_error, socket) => socket.destroy());
    this.#server.on("tlsClientError", (error: Error) =>
      options.logger.warn({ err: error }, "a relay connection failed its TLS handshake"),
    );
    // Left to itself, Node answers these in words of its own.
    this.#server.on("checkContinue", (request) => refuse(request.socket, 404));
    this.#server.on("checkExpectation", (request) => refuse(request.socket, 404));
    this.#server.on("connect", (request) => refuse(request.socket, 404));
  }

  /** @returns the port. @throws what `listen` fails with: the address is in use, or not ours. */
  async listen(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ host: this.#options.host, port: this.#options.port }, resolve);
    await promise;
    this.#server.off("error", reject);
    this.#server.on("error", (err) =>
      this.#options.logger.error({ err }, "the relay's server failed"),
    );
    return this.port;
  }

  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    assert(address !== null, "the relay listens");
    return address.port;
  }

  stats(): RelayHostStats {
    return this.#host.stats();
  }

  /** Closes all links, telling the peers, and the port. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#host.stop();
    try {
      await withDeadline(promise, this.#options.clock, 2 * goodbyeMs);
    } catch {
      for (const socket of this.#connections) socket.destroy();
      await promise;
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const admission = this.#host.admit(request.headers.authorization);
    if (!admission.admitted) {
      refuse(socket, admission.status);
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const forwarded = {
        frame: (text: string): void => events.frame(text),
        drained: (): void => events.drained(),
        closed: (error: RelayError): void => events.closed(error),
      };
      const link = new WebSocketLink(webSocket, forwarded, socket);
      const events = this.#host.accept(link, admission);
    });
  }
}

function newServer(tls: RelayTls | null): Server {
  const limits = {
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: requestMs,
    maxHeaderSize: 8 * 1024,
  };
  if (tls === null) return createServer(limits);
  const { ca, cert, key } = tls;
  return createTlsServer({
    ...limits,
    ca,
    cert,
    key,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    handshakeTimeout: requestMs,
  });
}

/** The same for everybody who is refused: nothing tells what this is. */
function refuse(socket: Duplex, status: 404 | 421 | 503): void {
  const reason = STATUS_CODES[status] ?? "";
  const answer = `HTTP/1.1 ${status} ${reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
  socket.end(answer, () => socket.destroy());
}
