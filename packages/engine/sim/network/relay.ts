import { RelayError, type RelayErrorCode } from "../../src/stream/relay/errors.ts";
import type { RelayHost } from "../../src/stream/relay/host.ts";
import type {
  RelayNetwork as RelayNetworkPort,
  RelaySocket,
  RelaySocketEvents,
} from "../../src/stream/relay/ports.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SimProcess } from "../process.ts";
import { pipeBetween, type Pipe } from "./pipe.ts";
import type { NetworkWeather } from "./weather.ts";

/** One end of a link. */
class End implements RelaySocket {
  readonly process: SimProcess;
  readonly #pipe: Pipe;
  peer: End | null = null;
  events: RelaySocketEvents | null = null;
  over = false;
  #buffered = 0;
  /** What is done to a frame on its way: for mutations. */
  readonly #onFrame: (frame: string) => readonly string[];
  readonly #deaf: () => boolean;

  constructor(
    process: SimProcess,
    pipe: Pipe,
    hooks: Pick<RelayNetwork, "onFrame" | "ignoresClose">,
  ) {
    this.process = process;
    this.#pipe = pipe;
    this.#onFrame = (frame) => hooks.onFrame(frame);
    this.#deaf = () => hooks.ignoresClose;
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  send(frame: string): void {
    if (this.over) return;
    this.#buffered += frame.length;
    this.#pipe.send(() => {
      this.#buffered -= frame.length;
      const { peer } = this;
      if (peer && !peer.over) for (const one of this.#onFrame(frame)) peer.events?.frame(one);
      if (this.#buffered === 0) {
        const { process } = this;
        process.timer(0.1, "relay drained", () => void (this.over || this.events?.drained()));
      }
    });
  }

  close(why: RelayErrorCode): void {
    if (this.over || this.#deaf()) return;
    this.over = true;
    this.#pipe.send(() => this.peer?.fail(why));
  }

  fail(code: RelayErrorCode): void {
    if (this.over) return;
    this.over = true;
    this.events?.closed(new RelayError(code, "The connection is gone."));
  }
}

interface Connection {
  readonly client: End;
  readonly server: End;
}

/** The links between replicas. */
export class RelayNetwork {
  readonly #scheduler: Scheduler;
  readonly #weather: NetworkWeather;
  readonly #hosts = new Map<string, { process: SimProcess; host: RelayHost }>();
  readonly #connections = new Set<Connection>();
  onFrame: (frame: string) => readonly string[] = (frame) => [frame];
  /** Links are never closed by those who have them: for mutations. */
  ignoresClose = false;

  constructor(scheduler: Scheduler, weather: NetworkWeather) {
    this.#scheduler = scheduler;
    this.#weather = weather;
  }

  /** Ends of links that this process has, and has not closed. */
  openEnds(process: SimProcess): number {
    const ends = [...this.#connections].flatMap(({ client, server }) => [client, server]);
    return ends.filter((end) => end.process === process && !end.over).length;
  }

  portOf(process: SimProcess, url: string): RelayNetworkPort {
    return {
      transport: { dial: (request, events) => this.#dial(process, request, events) },
      listen: (host) => {
        this.#hosts.set(url, { process, host });
        return { url, stop: () => void this.#hosts.delete(url) };
      },
    };
  }

  /** The process has ended: its links break where `heard`, and hang otherwise. */
  gone(process: SimProcess, heard: boolean): void {
    for (const [url, host] of this.#hosts) if (host.process === process) this.#hosts.delete(url);
    for (const connection of this.#connections) {
      const { client, server } = connection;
      if (client.process !== process && server.process !== process) continue;
      if (heard) this.#break(connection);
    }
  }

  /** Breaks links at random, at both ends. */
  drop(which: (a: SimProcess, b: SimProcess) => boolean): number {
    this.#forgetOver();
    const dropped = [...this.#connections].filter(({ client, server }) =>
      which(client.process, server.process),
    );
    for (const connection of dropped) this.#break(connection);
    return dropped.length;
  }

  #break(connection: Connection): void {
    this.#connections.delete(connection);
    for (const end of [connection.client, connection.server]) {
      end.process.deliver(() => end.fail("relay_unreachable"));
    }
  }

  #forgetOver(): void {
    for (const connection of this.#connections) {
      if (connection.client.over && connection.server.over) this.#connections.delete(connection);
    }
  }

  #dial(
    from: SimProcess,
    request: { readonly url: string; readonly authorization: string | null },
    events: RelaySocketEvents & { open(): void },
  ): RelaySocket {
    const target = this.#hosts.get(request.url);
    const to = target?.process ?? from;
    const up = pipeBetween(this.#scheduler, this.#weather, from, to);
    const down = pipeBetween(this.#scheduler, this.#weather, to, from);
    const client = new End(from, up, this);
    client.events = events;
    if (target === undefined) {
      from.timer(1, "relay refused", () => client.fail("relay_unreachable"));
      return client;
    }
    up.send(() => {
      const listening = this.#hosts.get(request.url);
      if (listening !== target) return down.send(() => client.fail("relay_unreachable"));
      const admission = target.host.admit(request.authorization ?? undefined);
      if (!admission.admitted) {
        const code = admission.status === 421 ? "relay_wrong_worker" : "relay_refused";
        return down.send(() => client.fail(code));
      }
      const server = new End(to, down, this);
      server.peer = client;
      client.peer = server;
      this.#connections.add({ client, server });
      down.send(() => void (client.over || events.open()));
      server.events = target.host.accept(server, admission);
      if (client.over) server.fail("relay_unreachable");
    });
    return client;
  }
}
