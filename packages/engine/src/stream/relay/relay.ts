import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { EpisodeSource } from "../../parts/ports.ts";
import { nextTurn } from "../turn.ts";
import { PeerSecret } from "./credentials.ts";
import { ReplicaEpisodes } from "./episode-source.ts";
import { RelayHost, type RelayHostOptions } from "./host.ts";
import { RelayLinks, type RelayLinksStats } from "./links.ts";
import { CachedPeerDirectory } from "./peer-directory.ts";
import type { RelayNetwork } from "./ports.ts";
import { RelayServer } from "./server.ts";
import { WebSocketTransport, type RelayTls } from "./web-socket.ts";

export interface RelayOptions {
  /** The interface to listen on: one that only replicas reach. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Where other replicas reach this one. Null: the host and port it listens on. */
  readonly advertisedUrl: string | null;
  /** What all replicas share; null where certificates are all there is. */
  readonly secret: string | null;
  readonly tls: RelayTls | null;
}

export interface RelayDeps {
  readonly options: RelayOptions;
  /** Instead of sockets. */
  readonly network?: RelayNetwork;
  /** The part buffer. */
  readonly local: EpisodeSource;
  readonly workerId: () => string;
  readonly isLocal: (workerId: string) => boolean;
  readonly readAddress: (workerId: string) => Promise<string | null>;
  readonly recheck: (chatIds: readonly string[]) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** This replica's part in the relay: the port on which it gives, the links over which it takes. */
export class Relay {
  readonly #door: Door;
  readonly #links: RelayLinks;
  #url: string | null = null;
  /** Live parts wherever they are: in this replica's memory, or over a link to the owner. */
  readonly episodes: EpisodeSource;

  /** @throws RelayError `relay_refused`, when neither secret nor certificates protect it */
  constructor(deps: RelayDeps) {
    const { options, local, workerId, isLocal, readAddress, recheck, clock, random, logger } = deps;
    const { network } = deps;
    const { tls } = options;
    const secret = options.secret === null ? null : new PeerSecret(options.secret);
    const hosting = { secret, workerId, clock, logger, episodes: local, turn: nextTurn };
    this.#door = network ? networkDoor(network, hosting) : socketDoor(options, hosting);
    this.#links = new RelayLinks({
      workerId,
      secret,
      recheck,
      clock,
      random,
      logger,
      directory: new CachedPeerDirectory(readAddress),
      transport: network?.transport ?? new WebSocketTransport(tls),
      turn: nextTurn,
    });
    this.episodes = new ReplicaEpisodes({ local, remote: this.#links, isLocal });
  }

  /** What the worker registers; null until this listens. */
  get url(): string | null {
    return this.#url;
  }

  stats(): RelayLinksStats {
    return this.#links.stats();
  }

  async listen(): Promise<void> {
    this.#url = await this.#door.listen();
  }

  async stop(): Promise<void> {
    await this.#links.stop();
    await this.#door.stop();
  }
}

type Hosting = RelayHostOptions & { readonly clock: Clock };

/** Where this replica takes links. */
interface Door {
  /** @returns the address under which others reach it. */
  listen(): Promise<string>;
  stop(): Promise<void>;
}

function socketDoor(options: RelayOptions, hosting: Hosting): Door {
  const { host, port: wanted, tls, advertisedUrl } = options;
  const server = new RelayServer({ ...hosting, host, port: wanted, tls });
  return {
    async listen() {
      const port = await server.listen();
      const name = host.includes(":") ? `[${host}]` : host;
      return advertisedUrl ?? `${tls === null ? "ws" : "wss"}://${name}:${port}`;
    },
    stop: async () => await server.stop(),
  };
}

function networkDoor(network: RelayNetwork, hosting: Hosting): Door {
  const host = new RelayHost(hosting);
  let listening: ReturnType<RelayNetwork["listen"]> | undefined;
  return {
    async listen() {
      listening = network.listen(host);
      return listening.url;
    },
    async stop() {
      listening?.stop();
      host.stop();
    },
  };
}
