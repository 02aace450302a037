import {
  createServer,
  request as sendRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import type { Clock } from "../../lib/clock.ts";
import { requestHead, requestHeaders, responseHeaders, upgradeHeaders } from "./forwarding.ts";
import { askReadiness, type Readiness } from "./readiness.ts";
import { rotation, type Backend, type Health } from "./rotation.ts";

/** On the same machine a connection is there at once, or the listener's queue is full. */
const connectWaitMs = 1_000;

/** How often `/readyz` of each replica is asked, and how long it may take. */
const probeEveryMs = 500;
const probeWaitMs = 2_000;

/** A replica counts as silent, and loses its connections, when it has missed this many answers in a row. */
const missesMax = 2;

/** Clients reuse connections: longer than their own patience, so that they are the ones who close them. */
const keepAliveMs = 75_000;

export interface FrontOptions {
  readonly clock: Clock;
  /** Told when a replica is seen to change. */
  readonly onHealth?: (name: string, health: Health) => void;
}

interface Member extends Backend {
  health: Health;
  misses: number;
  /** The connections that carry requests and streams; an open probe is not among them. */
  readonly sockets: Set<Socket>;
}

/**
 * A small load balancer over replicas on this machine: round robin, HTTP and WebSocket, nothing buffered. A request is
 * given to a replica only once it has a connection there, so trying the next one never sends anything twice; what had
 * been sent when a replica died is cut, and sent again by the client, which is the one who has the key to do it safely.
 */
export class Front {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #onHealth: FrontOptions["onHealth"];
  readonly #members = new Map<string, Member>();
  readonly #upgraded = new Set<Duplex>();
  readonly #stopping = new AbortController();
  #probing: Promise<void> = Promise.resolve();
  #turn = 0;

  constructor({ clock, onHealth }: FrontOptions) {
    this.#clock = clock;
    this.#onHealth = onHealth;
    this.#server = createServer({
      keepAliveTimeout: keepAliveMs,
      // As the replicas do: an offer of h2c is no reason to leave HTTP.
      shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
        headers.upgrade?.toLowerCase() === "websocket",
    });
    this.#server.on("request", (request, response) => void this.#pass(request, response));
    this.#server.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        void this.#tunnel(request, socket, head),
    );
  }

  /** @throws the system's error where the address is taken or not ours. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#probing = this.#probe();
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on it gets its share. A replica is added when it listens. */
  add(backend: Backend): void {
    this.#members.set(backend.name, { ...backend, health: "ready", misses: 0, sockets: new Set() });
  }

  /** Its process has ended: the system has closed what it had open. */
  remove(name: string): void {
    const member = this.#members.get(name);
    this.#members.delete(name);
    for (const socket of member?.sockets ?? []) socket.destroy();
  }

  health(name: string): Health | undefined {
    return this.#members.get(name)?.health;
  }

  /** Cuts what is still open. */
  async close(): Promise<void> {
    this.#stopping.abort();
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    for (const socket of this.#upgraded) socket.destroy();
    for (const name of this.#members.keys()) this.remove(name);
    await Promise.all([closed, this.#probing]);
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const socket = await this.#connect();
    if (response.destroyed) {
      socket?.destroy();
      return;
    }
    if (socket === undefined) {
      request.resume();
      response.writeHead(503, unavailableHeaders).end(unavailable);
      return;
    }
    const upstream = sendRequest({
      createConnection: () => socket,
      method: request.method,
      path: request.url,
      headers: requestHeaders(request),
      setDefaultHeaders: false,
    });
    // Whoever goes first takes the other along: a replica must see that its client has left.
    response.once("close", () => upstream.destroy());
    upstream.on("response", (answer) => {
      response.sendDate = false;
      response.writeHead(
        answer.statusCode ?? 502,
        answer.statusMessage,
        responseHeaders(answer.rawHeaders),
      );
      // The head of a stream goes out before its first event.
      response.flushHeaders();
      pipeline(answer, response, () => {});
    });
    // Without an answer the connection is cut: a status of ours would be taken for the replica's word.
    upstream.on("error", () => void (response.headersSent || response.destroy()));
    request.on("error", () => upstream.destroy());
    // An answer may come before the whole body was read; what is left of it must not hold up the connection.
    upstream.once("close", () => request.unpipe(upstream).resume());
    request.pipe(upstream);
  }

  /** Once the connection is there the bytes are not ours to look at, whatever the replica says to the upgrade. */
  async #tunnel(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    this.#upgraded.add(client);
    client.once("close", () => this.#upgraded.delete(client));
    client.on("error", () => client.destroy());
    const socket = await this.#connect();
    if (socket === undefined) {
      client.end(unavailableAnswer);
      return;
    }
    if (client.destroyed) {
      socket.destroy();
      return;
    }
    socket.write(requestHead(request, upgradeHeaders(request)));
    socket.write(head);
    pipeline(client, socket, () => client.destroy());
    pipeline(socket, client, () => socket.destroy());
  }

  /** A connection to the next replica that takes one. */
  async #connect(): Promise<Socket | undefined> {
    for (const member of rotation([...this.#members.values()], this.#turn++)) {
      // oxlint-disable-next-line no-await-in-loop
      const socket = await this.#dial(member);
      if (socket !== undefined) return socket;
    }
    return undefined;
  }

  async #dial(member: Member): Promise<Socket | undefined> {
    const socket = connect({ host: member.host, port: member.port, noDelay: true });
    member.sockets.add(socket);
    socket.once("close", () => member.sockets.delete(socket));
    return await new Promise((resolve) => {
      const late = this.#clock.timer(connectWaitMs, "front.connect", () => socket.destroy());
      socket.once("connect", () => {
        late.cancel();
        resolve(socket);
      });
      // Stays: an error later on is the business of whoever uses the socket, but must have a listener.
      socket.on("error", () => {});
      socket.once("close", () => {
        late.cancel();
        resolve(undefined);
      });
    });
  }

  async #probe(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const members = [...this.#members.values()];
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(
        members.map(async (member) => {
          const found = await askReadiness(member, this.#clock, probeWaitMs, signal);
          if (!signal.aborted) this.#note(member, found);
        }),
      );
      // oxlint-disable-next-line no-await-in-loop
      await this.#clock.sleep(probeEveryMs, "front.probe", signal);
    }
  }

  #note(member: Member, found: Readiness): void {
    member.misses = found === "none" ? member.misses + 1 : 0;
    const health = healthOf(member, found);
    if (health === member.health) return;
    member.health = health;
    // It may wake up one day, but its clients have better things to do than to wait for that.
    if (health === "silent") for (const socket of member.sockets) socket.destroy();
    if (this.#members.get(member.name) === member) this.#onHealth?.(member.name, health);
  }
}

function healthOf({ health, misses }: Member, found: Readiness): Health {
  switch (found) {
    case "ready":
    case "unready":
      return found;
    case "none":
      return misses >= missesMax ? "silent" : health;
  }
}

const unavailable = "No replica takes connections at the moment.\n";
const unavailableHeaders = {
  "content-type": "text/plain; charset=utf-8",
  "content-length": Buffer.byteLength(unavailable),
  "cache-control": "no-store",
  "retry-after": "1",
};
const unavailableAnswer =
  "HTTP/1.1 503 Service Unavailable\r\n" +
  Object.entries({ ...unavailableHeaders, connection: "close" })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("") +
  `\r\n${unavailable}`;
