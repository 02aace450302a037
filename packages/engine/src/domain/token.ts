import { hash } from "node:crypto";
import type { Random } from "../lib/random.ts";

/** Found by secret scanners, and by us in logs. */
const prefix = "parley_";
const secretBytes = 32;

/** No token or ticket of ours is longer; more is not even hashed. */
const credentialCharsMax = 512;

/** A fresh secret. It is shown to its owner once; what is stored is `hashToken` of it. */
export function newToken(random: Random): string {
  return prefix + Buffer.from(random.bytes(secretBytes)).toString("base64url");
}

/** A fresh stream ticket. */
export function newTicket(random: Random): string {
  return Buffer.from(random.bytes(secretBytes)).toString("base64url");
}

/** SHA-256 without salt or stretching: the secret has 256 bits of its own, there is nothing to guess. */
export function hashToken(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

/** Whether it is worth asking the database. */
export function isPlausible(credential: string): boolean {
  return credential.length > 0 && credential.length <= credentialCharsMax;
}
