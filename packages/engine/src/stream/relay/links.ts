import { Scope } from "../../lib/scope.ts";
import type { EpisodeKey, EpisodeListener, Following } from "../../parts/ports.ts";
import { Link, type LinkDeps } from "./link.ts";

export interface RelayLinksStats {
  readonly links: number;
  readonly open: number;
  readonly follows: number;
  /** Since the start. */
  readonly dials: number;
}

/** The links of this replica to the workers of others: at most one for each, made when it is first needed. */
export class RelayLinks {
  readonly #deps: LinkDeps;
  readonly #scope: Scope;
  readonly #links = new Map<string, Link>();
  #dialsOfForgotten = 0;
  #stopped = false;

  constructor(deps: LinkDeps) {
    this.#deps = deps;
    this.#scope = new Scope((err, label) => deps.logger.error({ err, label }, "relay"));
  }

  /** Returns at once; delivers when the link is up. Another episode of the same owner is a message, not a new link. */
  follow(workerId: string, key: EpisodeKey, fromSeq: number, listener: EpisodeListener): Following {
    let link = this.#links.get(workerId);
    if (link === undefined) {
      link = new Link(workerId, this.#deps, this.#scope, (unused) => this.#forget(unused));
      this.#links.set(workerId, link);
      if (this.#stopped) link.stop();
    }
    return link.follow(key, fromSeq, listener);
  }

  stats(): RelayLinksStats {
    const links = [...this.#links.values()];
    const sum = (of: (link: Link) => number): number => links.reduce((n, link) => n + of(link), 0);
    return {
      links: links.length,
      open: sum(({ phase }) => (phase === "open" ? 1 : 0)),
      follows: sum(({ follows }) => follows),
      dials: this.#dialsOfForgotten + sum(({ dials }) => dials),
    };
  }

  /** Hangs up. Nothing is delivered after this. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const link of this.#links.values()) link.stop();
    await this.#scope.stop();
  }

  #forget(link: Link): void {
    this.#dialsOfForgotten += link.dials;
    this.#links.delete(link.peer);
  }
}
