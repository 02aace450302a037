import type { Logger } from "../../lib/logger.ts";
import type { PeerSecret } from "./credentials.ts";
import type { RelayErrorCode } from "./errors.ts";
import type { RelaySocket, RelaySocketEvents } from "./ports.ts";
import { ServerLink, type ServerLinkDeps } from "./server-link.ts";

/** Peers have one link each; more than this is a fault somewhere. */
const linksMax = 1_000;

export interface RelayHostOptions extends Omit<ServerLinkDeps, "onEnd"> {
  /** Null only where every connection has shown a certificate of ours. */
  readonly secret: PeerSecret | null;
  readonly logger: Logger;
}

/** What a request to link is answered with. `status` is for HTTP; only a holder of the secret sees other than 404. */
export type Admission =
  | { readonly admitted: true; readonly proof: string | null }
  | { readonly admitted: false; readonly status: 404 | 421 | 503 };

export interface RelayHostStats {
  readonly links: number;
  readonly follows: number;
  /** Bytes of parts that wait for peers that are behind. */
  readonly backlogBytes: number;
  /** How often parts that waited gave way to a snapshot, on the links of now. */
  readonly coalesced: number;
}

/** The links that other replicas have made to this one. */
export class RelayHost {
  readonly #options: RelayHostOptions;
  readonly #links = new Set<ServerLink>();
  #stopped = false;

  constructor(options: RelayHostOptions) {
    this.#options = options;
  }

  /** Judges a request to link, before anything else is done for it. */
  admit(authorization: string | undefined): Admission {
    const { secret, workerId } = this.#options;
    const credential = secret?.check(authorization) ?? null;
    if (secret !== null && credential === null) return { admitted: false, status: 404 };
    // The address was another worker's: it is told so before it has said anything.
    if (credential !== null && credential.target !== workerId()) {
      return { admitted: false, status: 421 };
    }
    if (this.#stopped || this.#links.size >= linksMax) return { admitted: false, status: 503 };
    const proof = secret && credential ? secret.proofOf(credential) : null;
    return { admitted: true, proof };
  }

  /** A link begins. What the socket does goes to what is returned. */
  accept(socket: RelaySocket, { proof }: { readonly proof: string | null }): RelaySocketEvents {
    const { logger } = this.#options;
    const link = new ServerLink(socket, proof, {
      ...this.#options,
      onEnd: (ended, error) => {
        this.#links.delete(ended);
        const fields = { peer_id: ended.peer, code: error.code, err: error };
        if (expected.has(error.code)) logger.debug(fields, "a peer's relay link ended");
        else logger.warn(fields, "a peer's relay link ended");
      },
    });
    this.#links.add(link);
    if (this.#stopped) link.stop("relay_stopped");
    return link;
  }

  stats(): RelayHostStats {
    const links = [...this.#links];
    const sum = (of: (link: ServerLink) => number): number =>
      links.reduce((n, link) => n + of(link), 0);
    return {
      links: links.length,
      follows: sum(({ follows }) => follows),
      backlogBytes: sum(({ backlog }) => backlog.bytes),
      coalesced: sum(({ backlog }) => backlog.coalesced),
    };
  }

  stop(): void {
    this.#stopped = true;
    for (const link of this.#links) link.stop("relay_stopped");
  }
}

const expected: ReadonlySet<RelayErrorCode> = new Set([
  "relay_unused",
  "relay_stopped",
  "relay_unreachable",
]);
