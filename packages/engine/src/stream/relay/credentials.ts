import { createHmac, timingSafeEqual } from "node:crypto";
import type { Random } from "../../lib/random.ts";
import { RelayError } from "./errors.ts";

/** As much as its digest has: less could be guessed offline by whoever records a dial. */
export const secretBytesMin = 32;

/**
 * Dials remembered, so that one that was recorded on the wire is not taken again. Only holders of the secret can fill
 * this, and a peer dials at most twice a second.
 */
const dialsRememberedMax = 10_000;

const nonceBytes = 16;
const scheme = /^Parley-Relay ([\w-]{22})\.([\w-]{1,100})\.([\w-]{43})$/;

/** What the dialling side says of itself: which worker it means, and a number used once. */
export interface Credential {
  readonly target: string;
  readonly nonce: string;
}

/**
 * The secret that all replicas of a deployment share. It never crosses the wire: a dial carries a digest over the
 * worker that is meant and a random number, so that what a stranger at a recycled address was sent is worth nothing
 * anywhere else. No time is part of it: the clocks of replicas may differ by any amount. The side that was dialled
 * proves the same over the same number, so that a stranger cannot pass off words as a worker's.
 */
export class PeerSecret {
  readonly #key: Buffer;
  readonly #seen = new Set<string>();

  /** @throws RelayError `relay_refused`, when it is too short to be a secret */
  constructor(secret: string) {
    this.#key = Buffer.from(secret, "utf8");
    if (this.#key.length < secretBytesMin) {
      throw new RelayError(
        "relay_refused",
        `The relay's secret must have at least ${secretBytesMin} bytes.`,
      );
    }
  }

  newCredential(target: string, random: Pick<Random, "bytes">): Credential {
    return { target, nonce: Buffer.from(random.bytes(nonceBytes)).toString("base64url") };
  }

  /** The value of the `Authorization` header. */
  headerOf({ target, nonce }: Credential): string {
    return `Parley-Relay ${nonce}.${target}.${this.#digest("dial", nonce, target)}`;
  }

  /** Null unless it was made with this secret and not seen before. */
  check(header: string | undefined): Credential | null {
    const [, nonce, target, digest] = scheme.exec(header ?? "") ?? [];
    if (nonce === undefined || target === undefined || digest === undefined) return null;
    if (!equal(digest, this.#digest("dial", nonce, target))) return null;
    if (this.#seen.has(nonce)) return null;
    this.#seen.add(nonce);
    if (this.#seen.size > dialsRememberedMax) {
      const [oldest] = this.#seen;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return { target, nonce };
  }

  /** What the side that was dialled answers with. */
  proofOf({ target, nonce }: Credential): string {
    return this.#digest("answer", nonce, target);
  }

  isProof(proof: string | undefined, credential: Credential): boolean {
    return proof !== undefined && equal(proof, this.proofOf(credential));
  }

  #digest(purpose: "dial" | "answer", nonce: string, target: string): string {
    // Nonce and purpose have no line breaks and come first: no two inputs make the same text.
    const text = `parley relay 1\n${purpose}\n${nonce}\n${target}`;
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}

/** In a time that does not tell how much of it is right. */
function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
