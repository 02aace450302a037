import type { PeerDirectory } from "./ports.ts";

/** Workers come and go under new ids; those of long ago are not kept. */
const addressesMax = 1_000;

/**
 * A worker registers its address once, under an id that is new at every start: an address that was found stays right.
 * One that was not found may be there a moment later.
 */
export class CachedPeerDirectory implements PeerDirectory {
  readonly #read: (workerId: string) => Promise<string | null>;
  readonly #known = new Map<string, string>();

  constructor(read: (workerId: string) => Promise<string | null>) {
    this.#read = read;
  }

  async relayUrl(workerId: string): Promise<string | null> {
    const known = this.#known.get(workerId);
    if (known !== undefined) return known;
    const url = await this.#read(workerId);
    if (url === null) return null;
    this.#known.set(workerId, url);
    if (this.#known.size > addressesMax) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    return url;
  }
}
