import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import type { Random } from "./random.ts";

const algorithm = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;

/** The first byte of what is sealed, so that another way can be told from this one. */
const version = 1;

/** It was sealed with another key, or for another place, or is broken. */
export class SealBroken extends Error {
  override readonly name = "SealBroken";
}

/**
 * Texts as they rest in a database: AES-256-GCM under one key. `place` is bound into what is sealed, so that it can be opened
 * only where it belongs.
 */
export class Sealer {
  readonly #key: Buffer;
  readonly #random: Pick<Random, "bytes">;

  /** @param secret any text of enough entropy. */
  constructor(secret: string, random: Pick<Random, "bytes">) {
    this.#key = createHash("sha256").update(`parley seal\n${secret}`).digest();
    this.#random = random;
  }

  seal(text: string, place: string): Buffer {
    const iv = this.#random.bytes(ivBytes);
    const cipher = createCipheriv(algorithm, this.#key, iv).setAAD(Buffer.from(place));
    const body = [cipher.update(text, "utf8"), cipher.final()];
    return Buffer.concat([Buffer.of(version), iv, cipher.getAuthTag(), ...body]);
  }

  /** @throws SealBroken */
  open(sealed: Uint8Array, place: string): string {
    const bytes = Buffer.from(sealed);
    const head = 1 + ivBytes + tagBytes;
    if (bytes.length < head || bytes[0] !== version) throw new SealBroken("it is no seal of ours");
    try {
      const decipher = createDecipheriv(algorithm, this.#key, bytes.subarray(1, 1 + ivBytes), {
        authTagLength: tagBytes,
      });
      decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(1 + ivBytes, head));
      return decipher.update(bytes.subarray(head), undefined, "utf8") + decipher.final("utf8");
    } catch (cause) {
      throw new SealBroken("it was sealed with another key, or for another place", { cause });
    }
  }
}
