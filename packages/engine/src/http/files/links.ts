import { createHmac, timingSafeEqual } from "node:crypto";

/** Names the purpose: a signature for anything else made with the same key is none for a file. */
const purpose = "parley file link v1";

export interface SignedLink {
  /** Seconds since 1970. */
  readonly expires: number;
  readonly signature: string;
}

/** Makes and checks the right to fetch one file's bytes until a time. The same on every replica: the key is shared. */
export class FileLinks {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  sign(fileId: string, expiresMs: number): SignedLink {
    const expires = Math.floor(expiresMs / 1_000);
    return { expires, signature: this.#signature(fileId, expires).toString("base64url") };
  }

  /** Whether it was made here for this file, and its time is not over. */
  isValid(fileId: string, link: SignedLink, nowMs: number): boolean {
    const expected = this.#signature(fileId, link.expires);
    const given = Buffer.from(link.signature, "base64url");
    const isOurs = given.length === expected.length && timingSafeEqual(given, expected);
    return isOurs && nowMs < link.expires * 1_000;
  }

  #signature(fileId: string, expires: number): Buffer {
    return createHmac("sha256", this.#secret).update(`${purpose}\n${fileId}\n${expires}`).digest();
  }
}
